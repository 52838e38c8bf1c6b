/** Exits, once it has loaded. */
setImmediate(() => process.exit(3))
