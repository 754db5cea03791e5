# One image for every process of the platform; docker-compose.yml and the charts say which one to run.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY apps/ apps/
COPY libs/ libs/
COPY bench/ bench/
COPY tsconfig.base.json tsconfig.json ./
# A registry may lack a binary for a foreign platform, on which `npm ci` insists; the lock decides either way. No package's
# script runs: the only one that may (`allowScripts` in package.json) fetches the Node that the base image brings.
RUN npm ci --ignore-scripts --no-audit --no-fund || npm install --ignore-scripts --no-audit --no-fund
RUN node node_modules/tsc7/bin/tsc -b

FROM build AS pruned
# The base image brings the runtime, so the pinned one of the workspace stays out.
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf node_modules/node node_modules/node-* node_modules/.bin/node bench \
 && find apps libs -path '*/dist' -prune -o -type f -name '*.ts' -print | xargs rm -f

FROM node:24-slim AS platform
WORKDIR /app
ENV NODE_OPTIONS="--max-semi-space-size=12 --max-old-space-size=256" MALLOC_ARENA_MAX="2"
# Named volumes take over the owner of the folder they cover, so that no process has to run as root to write there.
RUN for name in identity request policy issuer rotation monitor console signer signer-secret; do mkdir -p /writ/keys/$name; done \
 && mkdir -p /writ/trust /writ/people /writ/state/audit /writ/state/issuer /writ/state/signer \
 && chown -R node:node /writ && chmod -R go= /writ/keys /writ/people /writ/state
COPY --from=pruned /app /app
COPY scripts/ scripts/
COPY policies/ policies/
USER node

# The development identity provider is built on development dependencies, which the platform's own image does without.
FROM platform AS identity
COPY --from=build /app/node_modules /app/node_modules
