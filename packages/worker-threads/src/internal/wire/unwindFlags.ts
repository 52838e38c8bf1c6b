/** The flags of Node without which no code of a worker can be ended. */

const [major = 0] = (process.versions.node ?? "0").split(".").map(Number)

/**
 * Node checks its async-hook stack after each callback, and aborts the process if a callback was ended by force. The first
 * flag omits the check. The second flag, a default since Node 24, keeps AsyncLocalStorage off that stack.
 */
export const execArgv: ReadonlyArray<string> = [
  "--no-force-async-hooks-checks",
  ...(major < 24 ? ["--experimental-async-context-frame"] : [])
]
