/** The sizes of two programs as Vite bundles them: minified, and compressed by gzip. */
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { build, type Rolldown } from "vite"

interface Size {
  readonly name: string
  readonly program: string
  readonly withEffect: boolean
  /** In bytes. A change that needs more must say why it does. */
  readonly limit: number
  /** In bytes: what the program is to come to. */
  readonly aim: number
}

const sizes: ReadonlyArray<Size> = [
  { name: "Thread and Lease, with Effect", program: "threads.ts", withEffect: true, limit: 29_500, aim: 18_000 },
  { name: "all of core, without Effect", program: "core.ts", withEffect: false, limit: 24_500, aim: 15_000 }
]

const kB = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`

const bundle = async (folder: string, { program, withEffect }: Size): Promise<ReadonlyArray<Rolldown.OutputChunk>> => {
  const built = await build({
    configFile: false,
    logLevel: "error",
    root: folder,
    build: {
      write: false,
      minify: true,
      target: "esnext",
      modulePreload: false,
      rolldownOptions: { input: join(folder, program), external: withEffect ? [] : [/^effect/] }
    }
  })
  // Without `watch`, Vite gives one output for each configuration.
  const { output } = [built].flat()[0] as Rolldown.RolldownOutput
  return output.filter((file) => file.type === "chunk")
}

/** Prints each size. False if a program is above its limit, or has a Schema in it without need. */
export const checkSizes = async (folder: string): Promise<boolean> => {
  let good = true
  for (const size of sizes) {
    const chunks = await bundle(folder, size)
    const code = chunks.map((chunk) => chunk.code).join("")
    const bytes = gzipSync(code, { level: 9 }).length
    const hasSchema = chunks.some(({ moduleIds }) => moduleIds.some((id) => /effect\/dist\/Schema\w*\.js$/.test(id)))
    const verdict = hasSchema ? "FAIL: it contains Schema" : bytes > size.limit ? "FAIL" : "ok"
    console.log(`${size.name}: ${kB(bytes)} (limit ${kB(size.limit)}, aim ${kB(size.aim)}): ${verdict}`)
    good &&= verdict === "ok"
  }
  return good
}
