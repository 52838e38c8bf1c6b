/** Never finishes loading. */
setInterval(() => {}, 60_000)
await new Promise(() => {})
