/** The sizes of programs as Vite and esbuild bundle them: minified, and compressed by gzip. */
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as esbuild from "esbuild"
import { build, type Rolldown } from "vite"

/** The code of a program, and the modules of which the bundle has a part. */
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
  // Without `watch`, Vite gives one output for each configuration.
  const { output } = [built].flat()[0] as Rolldown.RolldownOutput
  const chunks = output.filter((file) => file.type === "chunk")
  return {
    code: chunks.map((chunk) => chunk.code).join(""),
    modules: chunks.flatMap((chunk) => chunk.moduleIds)
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
  /** In bytes. A change that needs more must say why it does. */
  readonly limit: number
  /** In bytes: what the program is to come to. */
  readonly aim: number
}

/**
 * The aims are not reached. Of the first program, Effect itself takes 11.5 kB: 9.6 for fibers and scopes, and 1.9 for its clock,
 * which brings its durations. A finite escalation, a limit on a release and a value of any kind in an error message are
 * options of `Thread.spawn` and `Lease.acquire`, so their code is in every program, and so is the one call by which
 * `ThreadDump.trackPlaces` sees an acquire, of 30 bytes. The second program is code of core alone,
 * with 8 kB for timelines: the recorder, the picture, the text and the trace. A program that records none has none of it.
 */
const sizes: ReadonlyArray<Size> = [
  {
    name: "Thread and Lease, with Effect",
    program: "threads.ts",
    bundler: byVite,
    external: [],
    limit: 25_300,
    aim: 18_000
  },
  {
    name: "all of core, without Effect",
    program: "core.ts",
    bundler: byVite,
    external: ["effect"],
    limit: 39_500,
    aim: 15_000
  },
  {
    name: "Thread and Lease, with Effect, imported as modules, by esbuild",
    program: "modules.ts",
    bundler: byEsbuild,
    external: [],
    limit: 26_900,
    aim: 18_000
  }
]

const kB = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`

/** Prints each size. False if a program is above its limit, or has a Schema in it without need. */
export const checkSizes = async (folder: string): Promise<boolean> => {
  let good = true
  for (const { aim, bundler, external, limit, name, program } of sizes) {
    const { code, modules } = await bundler(join(folder, program), external)
    const bytes = gzipSync(code, { level: 9 }).length
    const hasSchema = modules.some((id) => /effect\/dist\/Schema\w*\.js$/.test(id))
    const verdict = hasSchema ? "FAIL: it contains Schema" : bytes > limit ? "FAIL" : "ok"
    console.log(`${name}: ${kB(bytes)} (limit ${kB(limit)}, aim ${kB(aim)}): ${verdict}`)
    good &&= verdict === "ok"
  }
  return good
}
