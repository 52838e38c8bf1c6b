/** The module of the workers of plain functions. */
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import { expect, it } from "vitest"

const entry = fileURLToPath(new URL("../src/internal/plainTask/task.worker.ts", import.meta.url))

it("loads no part of Effect, and little code", async () => {
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    metafile: true,
    write: false
  })
  const modules = Object.keys(metafile.inputs)
  expect(modules).toContainEqual(expect.stringContaining("plainWorker.ts"))
  expect(modules.filter((module) => /\/effect\//.test(module))).toEqual([])
  expect(gzipSync(outputFiles[0]!.contents).length).toBeLessThan(20_000)
})
