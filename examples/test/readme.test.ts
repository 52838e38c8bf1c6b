/** The Markdown pages: programs compile and print the shown output, links lead somewhere, and named tests exist. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import GithubSlugger from "github-slugger"
import { marked, type Token, type Tokens } from "marked"
import { beforeAll, describe, expect, it } from "vitest"
import { type Ran, runFile, workspace } from "./support.ts"

/** Tools write folders whose names begin with a dot; the pages for changesets are the exception. */
const isForeign = (name: string): boolean => name === "node_modules" || /^\.(?!$|changeset$)/.test(name)

const pages = ["*.md", ".changeset/*.md", "{docs,examples,packages,scripts}/**/*.md"]
  .flatMap((pattern) => globSync(pattern, { cwd: workspace, exclude: isForeign }))
  .map((path) => path.replaceAll("\\", "/"))
  .toSorted()

const textOf = (path: string): string => readFileSync(join(workspace, path), "utf8")

const tokensOf = (page: string): ReadonlyArray<Token> => {
  const tokens: Array<Token> = []
  // Nothing is awaited, because the callback is synchronous.
  void marked.walkTokens(marked.lexer(textOf(page)), (token) => void tokens.push(token))
  return tokens
}

const isCode = (token: Token): token is Tokens.Code => token.type === "code"
const isLink = (token: Token): token is Tokens.Link => token.type === "link"

/** The TypeScript blocks of a page, in order. */
const modulesOf = (page: string): ReadonlyArray<string> =>
  tokensOf(page).flatMap((token) => (isCode(token) && token.lang === "ts" ? [`${token.text}\n`] : []))

/** The file name in the first line of a block. Other blocks can import the block by this name. */
const nameOf = (block: string): string | undefined => /^\/\/ (\S+\.ts)\n/.exec(block)?.[1]

/** A program of a page and the output that the page shows for it. */
interface Claim {
  readonly page: string
  readonly program: Tokens.Code
  readonly output: ReadonlyArray<string>
}

/** An output is a block without a language after a paragraph that ends in "prints:". The program is the block before. */
const claimsOf = (page: string): ReadonlyArray<Claim> => {
  const blocks = marked.lexer(textOf(page)).filter(({ type }) => type !== "space")
  return blocks.flatMap((output, at) => {
    const introduction = blocks[at - 1]
    const program = blocks.slice(0, at).findLast((token) => isCode(token))
    if (!isCode(output) || output.lang !== "" || program === undefined || !isCode(program)) return []
    if (introduction?.type !== "paragraph" || !introduction.raw.trimEnd().endsWith("prints:")) return []
    return [{ page, program, output: output.text.split("\n") }]
  })
}

/** The package whose dependencies the programs of a page use. */
const packageOf = (page: string): string => /^packages\/[^/]+/.exec(page)?.[0] ?? "examples"

/** Writes files into a new folder below `parent`, so that the dependencies resolve, and removes the folder afterwards. */
const withFiles = async <A>(
  parent: string,
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<A>
): Promise<A> => {
  const folder = await mkdtemp(join(workspace, parent, ".readme-"))
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Adds a module of a page to `files`, with the named modules that it and its imports mention. */
const addWithImports = (files: Map<string, string>, name: string, text: string, named: Map<string, string>): void => {
  files.set(name, text)
  for (const [other, module] of named) {
    if (!files.has(other) && text.includes(`./${other}`)) addWithImports(files, other, module, named)
  }
}

/** The programs that have run, by their package and files. Several pages may show the same program. */
const runs = new Map<string, Promise<Ran>>()

/** Runs a program of a page: an example that a shell block starts, or a TypeScript block beside the named ones. */
const runClaim = ({ page, program }: Claim): Promise<Ran> => {
  const example = program.lang === "sh" ? /\bnode (examples\/\S+)/.exec(program.text)?.[1] : undefined
  if (example !== undefined) return runFile(example)
  const block = `${program.text}\n`
  const name = nameOf(block) ?? "program.ts"
  const named = modulesOf(page).flatMap((module) => {
    const name = nameOf(module)
    return name === undefined ? [] : [[name, module] as const]
  })
  const files = new Map<string, string>()
  addWithImports(files, name, block, new Map(named))
  const key = JSON.stringify([packageOf(page), ...files])
  const run =
    runs.get(key) ??
    withFiles(packageOf(page), Object.fromEntries(files), (folder) => runFile(join(folder, name), { cwd: folder }))
  runs.set(key, run)
  return run
}

/** The function `wait.ts` of the guides does not look at its signal, so its call is killed at the limit. The guides say so. */
const killed = /^(Thread "wait\.ts" did not end in time when it was asked to, and was killed\. .*\n)?$/

describe("the shown output", () => {
  const claims = pages.flatMap(claimsOf)

  it.each(claims.map((claim) => [claim.page, claim.program.text.split("\n")[0], claim] as const))(
    "of %s: the program %s prints it",
    async (_page, _name, claim) => {
      const errors: unknown = expect.stringMatching(killed)
      expect(await runClaim(claim)).toEqual({ lines: claim.output, errors, code: 0, signal: null })
    }
  )

  it.each(pages.filter((page) => !page.startsWith("packages/testing/")))(
    "of %s follows a program: no output is shown that nothing prints",
    (page) => {
      const outputs = tokensOf(page).filter((token) => isCode(token) && token.lang === "")

      expect(claimsOf(page)).toHaveLength(outputs.length)
    }
  )
})

/** The code of an example as a page shows it: the name of the file stands in place of the header. */
const codeOf = (file: string): string =>
  textOf(`examples/07-busy-loop/${file}`).replace(/^\/\*\*[^]*?\*\/\n/, `// ${file}\n`)

it("the first programs of README.md are the files of the example 07-busy-loop", () => {
  const [draft, main] = modulesOf("README.md")
  expect([draft, main]).toEqual([codeOf("draft.ts"), codeOf("main.ts")])
})

/** The pages with programs. */
const programmed = pages.filter((page) => modulesOf(page).length > 0)

/** The messages of the compiler about the programs of each page, and those about no page. */
interface Compiled {
  readonly byPage: ReadonlyMap<string, ReadonlyArray<string>>
  readonly others: ReadonlyArray<string>
}

/**
 * Compiles the programs of all pages in one run, because the declarations of Effect would cost each page more than its own
 * programs. Each page has a folder of its own, and each program is a module.
 */
const compilePages = async (): Promise<Compiled> => {
  const folders = new Map<string, string>()
  try {
    for (const page of programmed) folders.set(await writeModules(page), page)
    const ran = await compile([...folders.keys()])
    const byPage = new Map<string, Array<string>>(programmed.map((page) => [page, []]))
    const others = ran.errors === "" ? [] : [ran.errors]
    for (const line of messagesOf(ran.lines)) {
      const folder = [...folders.keys()].find((folder) => line.includes(basename(folder)))
      const messages = folder === undefined ? others : byPage.get(folders.get(folder)!)!
      messages.push(line)
    }
    if (ran.code !== 0 && ran.lines.length === 0) others.push(`The compiler exited with ${ran.code}`)
    return { byPage, others }
  } finally {
    for (const folder of folders.keys()) await rm(folder, { recursive: true })
  }
}

/** Writes the programs of a page as modules into a new folder, from where their imports resolve. */
const writeModules = async (page: string): Promise<string> => {
  const folder = await mkdtemp(join(workspace, packageOf(page), ".readme-"))
  for (const [at, block] of modulesOf(page).entries()) {
    await writeFile(join(folder, nameOf(block) ?? `${at}.ts`), block)
  }
  return folder
}

const compile = (folders: ReadonlyArray<string>): Promise<Ran> => {
  const config = JSON.stringify({
    extends: join(workspace, "tsconfig.test.json"),
    include: folders.map((folder) => `${folder}/*.ts`)
  })
  return withFiles("examples", { "tsconfig.json": config }, (folder) =>
    runFile("node_modules/typescript/bin/tsc", { args: ["-p", folder, "--pretty", "false"] })
  )
}

/** A message has further lines, which are indented. */
const messagesOf = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : lines.join("\n").split(/\n(?=\S)/)

describe("every TypeScript block compiles by itself", () => {
  let compiled: Compiled
  beforeAll(async () => {
    compiled = await compilePages()
  })

  it("and the compiler has no message about other files", () => {
    expect(compiled.others).toEqual([])
  })

  it.each(programmed)("of %s", (page) => {
    expect(compiled.byPage.get(page)).toEqual([])
    // One program contains all pages, so a declaration for all modules would affect other pages.
    for (const block of modulesOf(page)) expect(block).not.toMatch(/declare (?:global|module)/)
  })
})

/** The names by which links reach the headings of a page. */
const anchorsOf = (page: string): ReadonlyArray<string> => {
  const slugger = new GithubSlugger()
  return tokensOf(page).flatMap((token) => (token.type === "heading" ? [slugger.slug(token["text"] as string)] : []))
}

/** The faults of a link: no such file, no such heading, or no test of the name in its label. */
const problemsOf = (page: string, { href, text }: Tokens.Link): ReadonlyArray<string> => {
  if (/^[a-z]+:/.test(href)) return []
  const [target = "", anchor] = href.split("#")
  const path = target === "" ? page : join(dirname(page), target)
  if (!existsSync(join(workspace, path))) return [`${target} does not exist`]
  if (anchor !== undefined && path.endsWith(".md") && !anchorsOf(path).includes(anchor)) {
    return [`${path} has no heading "${anchor}"`]
  }
  const name = path.endsWith(".test.ts") ? /^`(.*)`$/.exec(text)?.[1] : undefined
  return name === undefined || name.endsWith(".ts") || textOf(path).includes(name) ? [] : [`${path} lacks "${name}"`]
}

it.each(pages)("every link of %s leads to a file and a heading, and every named test exists", (page) => {
  expect(
    tokensOf(page)
      .filter(isLink)
      .flatMap((link) => problemsOf(page, link))
  ).toEqual([])
})
