/** A rejection that nobody handles, once it has loaded. */
setImmediate(() => {
  void Promise.reject(new Error("This worker leaves a rejection unhandled, as it should"))
})
