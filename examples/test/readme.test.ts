/** What the READMEs say is so: programs compile and print what is shown, links lead somewhere, tests have those names. */
import { existsSync, readFileSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { expect, it } from "vitest"
import { runFile, workspace } from "./support.ts"

const readmes = [
  "README.md",
  "packages/core/README.md",
  "packages/testing/README.md",
  "packages/testing/docs/cancel-safe.md",
  "packages/testing/docs/case-study.md",
  "packages/worker-threads/README.md"
]
const textOf = (path: string): string => readFileSync(join(workspace, path), "utf8")

/** The code blocks of a language, in order. */
const blocks = (text: string, language: string): ReadonlyArray<string> =>
  [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].filter((found) => found[1] === language).map((found) => found[2]!)

/** What a block calls itself in its first line, so that others can import it. */
const nameOf = (block: string): string | undefined => /^\/\/ (\S+\.ts)\n/.exec(block)?.[1]

/** Writes files into a folder of their own in a package, so that its dependencies resolve, and removes it afterwards. */
const withFiles = async <A>(
  home: string,
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<A>
): Promise<A> => {
  const folder = await mkdtemp(join(workspace, home, ".readme-"))
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

it("the program in the README has 20 lines at most and prints what the README says", async () => {
  const [program] = blocks(textOf("README.md"), "ts")
  const [output] = blocks(textOf("README.md"), "")

  const ran = await withFiles("examples", { "program.ts": program! }, (folder) => runFile(join(folder, "program.ts")))

  expect(program!.trimEnd().split("\n").length).toBeLessThanOrEqual(20)
  expect(ran).toEqual({ lines: output!.trimEnd().split("\n"), errors: "", code: 0 })
})

const workerReadme = "packages/worker-threads/README.md"

it.each(["main.ts", "records.main.ts", "primes.main.ts"])(
  `the program %s of ${workerReadme} prints what that says`,
  async (main) => {
    const text = textOf(workerReadme)
    const named = Object.fromEntries(
      blocks(text, "ts").flatMap((block) => {
        const name = nameOf(block)
        return name === undefined ? [] : [[name, block]]
      })
    )
    // What it prints is the next block that is of no language.
    const [output] = blocks(text.slice(text.indexOf(`\`\`\`ts\n// ${main}\n`)), "")

    const ran = await withFiles(dirname(workerReadme), named, (folder) => runFile(join(folder, main)))

    expect(ran).toEqual({ lines: output?.trimEnd().split("\n"), errors: "", code: 0 })
  },
  30_000
)

it.each(readmes)(
  "every TypeScript block of %s compiles by itself",
  async (readme) => {
    const modules = blocks(textOf(readme), "ts").map((block, at) => [nameOf(block) ?? `${at}.ts`, block] as const)
    const home = readme === "README.md" ? "examples" : dirname(readme)
    const config = JSON.stringify({
      extends: join(workspace, "tsconfig.test.json"),
      files: ["none.ts", ...modules.map(([name]) => name)]
    })

    const ran = await withFiles(
      home,
      { ...Object.fromEntries(modules), "none.ts": "export {}\n", "tsconfig.json": config },
      (folder) => runFile("node_modules/typescript/bin/tsc", { args: ["-p", folder] })
    )

    expect(ran).toEqual({ lines: [], errors: "", code: 0 })
  },
  30_000
)

/** What is wrong with a link: it leads nowhere or, where it is labelled as a test, not to a test of that name. */
const problemsOf = (readme: string, label: string, target: string): ReadonlyArray<string> => {
  if (target.startsWith("https:")) return []
  const path = join(dirname(readme), target)
  if (!existsSync(join(workspace, path))) return [`${target} is not there`]
  const name = path.endsWith(".test.ts") ? /^`(.*)`$/.exec(label)?.[1] : undefined
  return name === undefined || name.endsWith(".ts") || textOf(path).includes(name) ? [] : [`${target} lacks "${name}"`]
}

it.each(readmes)("every link of %s leads to a file, and every test that it names is there", (readme) => {
  const links = textOf(readme).matchAll(/\[([^\]]+)\]\(([^)#]+)\)/g)

  expect([...links].flatMap(([, label, target]) => problemsOf(readme, label!, target!))).toEqual([])
})
