/** TypeScript's ES modules import `./x.js`; while testing, the file on disk is `./x.ts`. */
module.exports = (request, options) => {
  if (request.startsWith('.') && request.endsWith('.js') && !options.basedir.includes('node_modules')) {
    try {
      return options.defaultResolver(request.replace(/\.js$/, '.ts'), options);
    } catch {
      // Fall through: a JavaScript file of that very name.
    }
  }
  return options.defaultResolver(request, options);
};
