/**
 * Keeps the async context of Node for a step that runs later, such as the values of each AsyncLocalStorage. Effect does the
 * same for the fibers that it forks.
 */
interface Resource {
  readonly runInAsyncScope: (step: () => void) => void
  readonly emitDestroy: () => void
}

interface Hooks {
  readonly AsyncResource: new (type: string, options: { readonly requireManualDestroy: true }) => Resource
}

interface Platform {
  readonly process?: { readonly getBuiltinModule?: (name: string) => Hooks | undefined }
}

/** Undefined on a platform without Node's async contexts. */
const hooks: Hooks | undefined = /* @__PURE__ */ (() => {
  try {
    // Node's, or that of a runtime with the same interface.
    return (globalThis as Platform).process?.getBuiltinModule?.("node:async_hooks")
  } catch {
    return undefined
  }
})()

const manual = { requireManualDestroy: true } as const

/** The step, in the async context of this call. It runs once. */
export const keep = (step: () => void): (() => void) => {
  if (hooks === undefined) return step
  const resource = new hooks.AsyncResource("quiesce/Thread", manual)
  return () => {
    try {
      resource.runInAsyncScope(step)
    } finally {
      resource.emitDestroy()
    }
  }
}
