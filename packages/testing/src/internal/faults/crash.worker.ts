/** An exception that nobody catches, once it has loaded. */
setImmediate(() => {
  throw new Error("This worker crashes, as it should")
})
