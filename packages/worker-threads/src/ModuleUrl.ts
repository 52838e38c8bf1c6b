/**
 * The URL of a module beside the caller, for a program that runs from its sources and also after a build.
 *
 * @since 0.1.0
 */

/**
 * The URL of a TypeScript module, named as its source is named, relative to `base`, which is the caller's
 * `import.meta.url`. If the caller itself has become JavaScript, the URL names the JavaScript file of the module, with the
 * caller's extension.
 *
 * A bundler does not follow this URL: make the module an entry of the build, in the folder of the caller's output.
 *
 * ```ts
 * import { Worker, type WorkerOptions } from "node:worker_threads"
 * import { ModuleUrl } from "@quiesce/worker-threads"
 *
 * const url = ModuleUrl.of("./tasks.worker.ts", import.meta.url)
 * export const spawn = (options: WorkerOptions) => new Worker(url, options)
 * ```
 *
 * Throws a `TypeError` if `base` is no URL.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const of = (module: string, base: string): URL => {
  if (!URL.canParse(base))
    throw new TypeError(`ModuleUrl.of got the base ${base}, which is no URL. Give import.meta.url.`)
  if (typeof module !== "string")
    throw new TypeError(
      `ModuleUrl.of got a module that is of the type ${typeof module}. Give a text such as "./tasks.worker.ts".`
    )
  const built = /\.([cm]?js)$/.exec(new URL(base).pathname)
  return new URL(built === null ? module : module.replace(/\.[cm]?ts$/, `.${built[1]}`), base)
}
