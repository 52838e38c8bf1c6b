/** A bundler keeps an import for its side effect, and drops a module that no code uses. */
import { build } from "esbuild"
import { expect, it } from "vitest"

/** The sources of packages in the bundle of a program. */
const modulesOf = async (program: string): Promise<ReadonlyArray<string>> => {
  const { metafile } = await build({
    stdin: { contents: program, resolveDir: import.meta.dirname },
    bundle: true,
    format: "esm",
    platform: "node",
    external: ["effect", "fast-check", "vitest"],
    metafile: true,
    write: false,
    logLevel: "silent"
  })
  return Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((file) => file.includes("src/") && inputs[file]!.bytesInOutput > 0)
  )
}

it.each(["Matchers", "DumpBeforeTimeout"])("a bundle keeps an import of %s for its side effect", async (name) => {
  const modules = await modulesOf(`import "@quiesce/testing/${name}"`)
  expect(modules.filter((file) => file.endsWith(`/src/${name}.ts`))).toHaveLength(1)
})

it("a bundle drops an import of the package if no export is used", async () => {
  expect(await modulesOf(`import { Journal } from "@quiesce/testing"\nconsole.log(1)`)).toEqual([])
})
