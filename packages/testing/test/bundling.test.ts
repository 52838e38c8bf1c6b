/** A bundler keeps an import that stands for its effect, and leaves out a module that nothing uses. */
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

it.each(["Matchers", "DumpBeforeTimeout"])("an import of %s alone stays in a bundle", async (name) => {
  const modules = await modulesOf(`import "@quiesce/testing/${name}"`)
  expect(modules.filter((file) => file.endsWith(`/src/${name}.ts`))).toHaveLength(1)
})

it("an import of the package from which nothing is used leaves nothing in a bundle", async () => {
  expect(await modulesOf(`import { Journal } from "@quiesce/testing"\nconsole.log(1)`)).toEqual([])
})
