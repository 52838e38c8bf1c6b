/** The sizes of programs in the bundles of Vite and esbuild. */
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as esbuild from "esbuild"
import { build, type Rolldown } from "vite"

/** The code of a program, the modules that the bundle contains a part of, and the imported modules. */
interface Bundle {
  readonly code: string
  readonly modules: ReadonlyArray<string>
}

type Bundler = (program: string, external: ReadonlyArray<string>) => Promise<Bundle>

const byVite: Bundler = async (program, external) => {
  const built = await build({
    configFile: false,
    logLevel: "error",
    root: join(program, ".."),
    build: {
      write: false,
      minify: true,
      target: "esnext",
      modulePreload: false,
      rolldownOptions: { input: program, external: external.map((name) => new RegExp(`^${name}`)) }
    }
  })
  // Without `watch`, Vite returns one output for each configuration.
  const { output } = [built].flat()[0] as Rolldown.RolldownOutput
  const chunks = output.filter((file) => file.type === "chunk")
  return {
    code: chunks.map((chunk) => chunk.code).join(""),
    modules: chunks.flatMap((chunk) => [...chunk.moduleIds, ...chunk.imports])
  }
}

const byEsbuild: Bundler = async (program, external) => {
  const { metafile, outputFiles } = await esbuild.build({
    entryPoints: [program],
    bundle: true,
    minify: true,
    format: "esm",
    target: "esnext",
    metafile: true,
    write: false,
    external: [...external]
  })
  return {
    code: outputFiles.map((file) => file.text).join(""),
    modules: Object.values(metafile.outputs).flatMap(({ inputs }) =>
      Object.keys(inputs).filter((id) => inputs[id]!.bytesInOutput > 0)
    )
  }
}

interface Size {
  readonly name: string
  readonly program: string
  readonly bundler: Bundler
  readonly external: ReadonlyArray<string>
  /** Whether the program should load Effect's `Schema`, which is larger than all of core. */
  readonly withSchema?: true
  /** The limit in bytes. A change that needs more must give the reason. */
  readonly limit: number
  /** The target size in bytes. Undefined for a program that has only a limit. */
  readonly aim?: number
}

/**
 * The target sizes are not reached. This table has the growth of the bundle of the first program, in kB:
 *
 * | part | kB | reason to be in every program |
 * | --- | --- | --- |
 * | Effect: fibers, scopes, contexts, causes | 9.6 | a program in bare Effect that forks and has a scope |
 * | Effect: the clock, with durations | 1.9 | every program in Effect that reads the time has them |
 * | Effect: options, tagged errors, other parts | 1.2 | a tracer takes options; `ThreadError` can be yielded |
 * | the tree of threads, spawn, join, the adapter onto fibers, reasons | 5.0 | |
 * | the climb of an escalation, releases behind a hang | 1.8 | `escalation` is an option of `Thread.spawn` |
 * | leases and their ledger | 1.5 | |
 * | messages of misuse, checks of arguments | 1.3 | a wrong argument says what to do |
 * | logs of failures, of lost leases and of a second copy | 0.9 | they are on without an import |
 * | spans | 0.4 | they are on as soon as the context has a tracer |
 * | the trial of Effect's scopes | 0.3 | without these parts `spawn-join` takes an eighth longer |
 *
 * Bare Effect and the clock take 11.5 kB. To reach the target size, threads and leases may take 6.5 kB, and they take
 * 12.5. The parts for groups, dumps, places of leases, timelines and observers of leases are registered by the modules
 * that need them, so this bundle does not contain these parts. Without escalations, logs, spans and the trial the
 * program would take 20.3 kB. If a function made escalations, only programs that call the function would contain the
 * climb, but users would have to write more than `{ stop: "5 seconds" }`.
 *
 * In the second program, the modules of the first with all their functions take 17.0 kB. The other parts are reports
 * and texts of values that may throw 3.7, `Abort` 2.9, `Blocking` with tokens and the watchdog 2.4, `ThreadMap` 1.9,
 * `ThreadDump` 1.7, raised errors and joins of many threads 1.2, `ThreadGroup` 1.0. A program contains the parts that
 * it uses. The checks of the arguments of each function, with their messages, take 1.5 kB of the whole.
 */
const sizes: ReadonlyArray<Size> = [
  {
    name: "Thread and Lease, with Effect",
    program: "threads.ts",
    bundler: byVite,
    external: [],
    limit: 24_400,
    aim: 18_000
  },
  {
    name: "the index of core, without Effect",
    program: "core.ts",
    bundler: byVite,
    external: ["effect"],
    limit: 32_420,
    aim: 15_000
  },
  {
    name: "the index and the other entries of core, without Effect",
    program: "entries.ts",
    bundler: byVite,
    external: ["effect"],
    withSchema: true,
    limit: 42_220
  },
  {
    name: "Thread and Lease, with Effect, imported as modules, by esbuild",
    program: "modules.ts",
    bundler: byEsbuild,
    external: [],
    limit: 25_800,
    aim: 18_000
  }
]

const kB = (bytes: number): string => `${(bytes / 1000).toFixed(2)} kB`

/**
 * The worker of plain functions, bundled by esbuild: minified and not compressed, because a worker reads the file from
 * a disk. Each worker loads this code. Code for failures and for leases is in files that a worker loads on their first
 * use.
 */
const worker = { name: "the worker of plain functions, minified", program: "task.worker.ts", limit: 20_000 }

const checkWorker = async (folder: string): Promise<boolean> => {
  const { metafile } = await esbuild.build({
    entryPoints: [join(folder, worker.program)],
    bundle: true,
    splitting: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "esnext",
    outdir: join(folder, "size"),
    metafile: true,
    write: false
  })
  const loaded = new Set(
    Object.entries(metafile.outputs).flatMap(([file, { entryPoint }]) =>
      entryPoint?.endsWith(worker.program) === true ? [file] : []
    )
  )
  for (const file of loaded)
    for (const { external, kind, path } of metafile.outputs[file]!.imports)
      if (kind === "import-statement" && external !== true) loaded.add(path)
  const bytes = [...loaded].reduce((sum, file) => sum + metafile.outputs[file]!.bytes, 0)
  const isGood = bytes > 0 && bytes <= worker.limit
  console.log(`${worker.name}: ${kB(bytes)} (limit ${kB(worker.limit)}): ${isGood ? "ok" : "FAIL"}`)
  return isGood
}

/** Prints each size. Returns false if a program is above its limit, or loads Effect's `Schema` without need. */
export const checkSizes = async (folder: string): Promise<boolean> => {
  let good = await checkWorker(folder)
  for (const { aim, bundler, external, limit, name, program, withSchema } of sizes) {
    const { code, modules } = await bundler(join(folder, program), external)
    const bytes = gzipSync(code, { level: 9 }).length
    const hasSchema = modules.some((id) => /effect\/dist\/Schema\w*\.js$|^effect\/Schema$/.test(id))
    const verdict = hasSchema && withSchema === undefined ? "FAIL: it contains Schema" : bytes > limit ? "FAIL" : "ok"
    const goal = aim === undefined ? "" : `, aim ${kB(aim)}`
    console.log(`${name}: ${kB(bytes)} (limit ${kB(limit)}${goal}): ${verdict}`)
    good &&= verdict === "ok"
  }
  return good
}
