/** Known values, made by an independent implementation and accepted by Go's sumdb/tlog and note. */

export const roots = {
  reference: [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ],
  inclusion: [
    { index: 0, size: 1, proof: [] },
    { index: 0, size: 8, proof: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ] },
    { index: 5, size: 8, proof: [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ] },
    { index: 2, size: 3, proof: [
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    ] },
    { index: 1, size: 5, proof: [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ] },
  ],
  consistency: [
    { old: 1, size: 1, proof: [] },
    { old: 1, size: 8, proof: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ] },
    { old: 6, size: 8, proof: [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ] },
    { old: 2, size: 5, proof: [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ] },
    { old: 4, size: 8, proof: [
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ] },
    { old: 3, size: 7, proof: [
      '0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7',
      '07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      '837dbb152e9b079010717e84e865da4ebc0fa198a806d59d31bf15accef22d0e',
    ] },
  ],
  decimal: {
    1: '2zQm6HgGjSjSabbIcXIyLOU3K2V1bQeJAB00g19gHAM=',
    2: 'ywCYnZSlacCmeK4EK2Pc1GJduWRAUX83put5duok7Us=',
    3: 'cl1SMNto9VdHDcNfHYhlgTrNfrsHrRUndBQd7LrnEyc=',
    255: 'Mvhbyqh9e80Fco8J6a66NQumovczgwCH8Fl2goSL5cs=',
    256: 'goUV0DPBnYyQHzfsy4rtkZZncDSG+NL/8c9wQDIcXbE=',
    257: 'HtoEmkNR2G92JSvX7At3Rq11t/oDFq1fVB29pFijEsQ=',
    511: 'Xz1p4QI3C+QJEi0RouYF5rZTsHG4tLS9KDP65AZS8R0=',
    512: '1LIWJJXKYJ3AY5DTU8oMVRB3ZcYJ4CJut0fYkQXcjVU=',
    513: 'wk9iB1x27Hf2v1FZ5zLPGVKBT7G+oAfjPpKtm916/aA=',
    1000: 'Y4r6mAIpJbrP3a2xXvIv0BmcGsmcKXO2FYJD0T/OBcI=',
    65536: '8CXQbtgEhZ/SdKG9rK3W5I6odjSqkeHtsgFD+UmM0Cs=',
    70000: 'Gkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=',
  },
  files: {
    'tile/0/000': 'b9704a8bfbee2c61185ceb38904a49f3f703c81e194b5b2ccdc254c2bdaaa62b',
    'tile/0/273.p/112': '4d21244557c976993a9a89bf928a46b5a876585228df279878239fd84489e5a5',
    'tile/1/000': 'ea7b038bc73489c89c31a27ac355aaca65a4ed73f0dd7484e68deb29d30f10a2',
    'tile/1/001.p/17': 'adfaca2731630fe7944a4b98a0f98ef3e98685eafda09e6f81070218fb759ce4',
    'tile/2/000.p/1': 'f0113c8bad855b49f9a5dd661d50012cd94f19aae87a45eb8334666835e3caea',
    'tile/entries/000': '94693d5c6d6a0355ec07bac8214516c1ce6a5100b0588f226fd95f26571157d7',
  },
  disclosingLeaf: '{"_sd":["a0AxWHTMzdgDxlpSEzdoMHdzwQZDgWAvnJiMPgVrDlE","sP_enCgjWOZ0hpo3zVEiqqqWLoSOPVfD4_84SW6D9hY"],"id":"0190c8a4-5f6b-7c3d-8e9f-0a1b2c3d4e5f","k":"3","log":"audit.example.com/tokens","n":"1007","prev":"17","rec":"2026-01-01T00:00:00.120Z","seq":"42","src":"token-service/1","tenant":"t_01","token":"tok_7h2k","ts":"2026-01-01T00:00:00.000Z","type":"token.revoked","v":1}',
};

export const signedCheckpoint70000 = `audit.example.com/tokens
70000
Gkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=

— audit.example.com/tokens 92+GWkdlh2nhXXRLkMTIyPGRnMWFtGEmDJYa37pHTTd5in4sese1FyHxfvewKPLXUvrzQHGTl6NC5/S6rEUuL5nBTAY=
— witness.example.com/w1 lpmAzwAAAABlU/EAQ1lYzmAl9pyut6BSDi90b2Lan+wffPz4+OV5XocOr8jWD+S/8nDtBLG6JXE8ZWnSJuNRZqyLhmmefOFvB+glAQ==
`;

export const proofFile69999 = `c2sp.org/tlog-proof@v1
extra aGVsbG8=
index 69999
yoAAapncs6q6c17VUVa4zJYIAHxGzKD2N4klM11Hg0s=
kQVpuhm2/1x9hT/nP4WgE+NDIKy3EevQc2seFyhCbfY=
gRJvJidHwQnGtkMI1GKgbc8bri8agqI7A+Q2A4VGti4=
6ey9dSV+VShy6bdIuM084XW5pCSRj+ZiqOjCg50xutU=
jnUO7JD8oS5McMRQPJwEo82borPhMZjSwv9yjnldD2k=
0dR1Qqz4BhOl6fTSSP2aHNC/OQY3lUCLkv6/KHxQERw=
aXq3ki4pfVicIgZIjw84TtGnwTqBzdgsp6f5WLnr7ag=
Wy1bOhS8wOtZdzWUw/b36uEJ8GF3pBu15Dr+lHtrkqM=
8CXQbtgEhZ/SdKG9rK3W5I6odjSqkeHtsgFD+UmM0Cs=

audit.example.com/tokens
70000
Gkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=

— audit.example.com/tokens 92+GWkdlh2nhXXRLkMTIyPGRnMWFtGEmDJYa37pHTTd5in4sese1FyHxfvewKPLXUvrzQHGTl6NC5/S6rEUuL5nBTAY=
— witness.example.com/w1 lpmAzwAAAABlU/EAQ1lYzmAl9pyut6BSDi90b2Lan+wffPz4+OV5XocOr8jWD+S/8nDtBLG6JXE8ZWnSJuNRZqyLhmmefOFvB+glAQ==
`;

export const proof1000to70000 = [
  'cyZY8V5ViGaAX/+BQkKY0SNzJvEZfJG1Rm5GH67VlgQ=',
  'OIvRGteiuZvv5VCS8nls6n9Dgnknfg08+09QH7Pij5k=',
  'ybqlTdlXLCu0+MdNAlbCzxkwa4l1OEa2VWuchLF8id0=',
  'PZcLy99q32+68JF+hePsDX1yosUo+n/bYEW9s+XBhNg=',
  'KGP86MvY3mv62H01XboVHdVK36Xs2MSN104IKa3lF+g=',
  'FRncJY+m3uoMZrCVCROmlw8kyF56Ieoli/4PQsXJ3eI=',
  'AY1cJem7tNgy50SBj5AHERZ4jSYDzU174vXevZulSKo=',
  '1LIWJJXKYJ3AY5DTU8oMVRB3ZcYJ4CJut0fYkQXcjVU=',
  '2p6ux6JGFuU99J0FgF+CU0iL1NAE9zRljexwOi2Qvj8=',
  'Kt8Axjy6nl+qN0d4YyyXo8JfLuoshDxeMwbb9IHCISQ=',
  'Yhw2F4fNmpzK5y30wMVxOYL2HyXL7kc4B9d+P+GwdjU=',
  'b3wa0MrYdDs6bxxWxD+G2XCDV3e9b+1fRQHWrCvQMWE=',
  '4du18JrCg7v6BD1CWqA8H8lZlvpZLHndAdUp6NzUMOw=',
  '+LJ07bz+BZdjSBAmAyJmzKKIJcWRDSL4/sYgNHGOaK4=',
  'QeWddaYWgMFNixZq76xsZTPHpKCsrKbagmJYHYKI2i0=',
];
