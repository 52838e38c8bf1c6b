/** The module of the workers of plain functions. */
import { fileURLToPath } from "node:url"
import { build, type Metafile } from "esbuild"
import { expect, it } from "vitest"

const entry = fileURLToPath(new URL("../src/internal/plainTask/task.worker.ts", import.meta.url))

/** The files that the first file imports at once, and this file. */
const loadedAtOnce = ({ outputs }: Metafile, first: string): ReadonlySet<string> => {
  const loaded = new Set([first])
  for (const file of loaded) {
    for (const { kind, path } of outputs[file]?.imports ?? []) if (kind === "import-statement") loaded.add(path)
  }
  return loaded
}

it("loads no part of Effect, and little code: less than 20 kB", async () => {
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    platform: "node",
    outdir: "out",
    metafile: true,
    write: false
  })
  const modules = Object.keys(metafile.inputs)
  expect(modules).toContainEqual(expect.stringContaining("plainWorker.ts"))
  expect(modules.filter((module) => /\/effect\//.test(module))).toEqual([])

  const loaded = [...loadedAtOnce(metafile, "out/task.worker.js")].flatMap((file) => metafile.outputs[file] ?? [])
  const loadedModules = loaded.flatMap(({ inputs }) => Object.keys(inputs))
  expect(loadedModules).toContainEqual(expect.stringContaining("plainWorker.ts"))
  expect(loadedModules).not.toContainEqual(expect.stringContaining("plainLeases.ts"))
  expect(loaded.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(20_000)
})
