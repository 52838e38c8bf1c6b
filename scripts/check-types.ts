/**
 * Compiles the type tests with each compiler that users may have. Needs a build (`tsc -b`), because the programs are
 * compiled against the declarations of the packages, like programs of users.
 *
 * - `packages/*\/test/*.types.test.ts`: programs that each compiler must accept, with assertions about inferred types
 * - `packages/*\/test/refused/*.ts`: programs that each compiler must refuse. A comment `// says: TEXT` begins a
 *   program, which ends at the next such comment. The messages of the compiler about the program must contain the text.
 */
import { spawn } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { text } from "node:stream/consumers"

const compilers = ["typescript-5.9", "typescript-6", "typescript"]

interface Message {
  readonly file: string
  readonly line: number
  readonly text: string
}

/** A program that must be refused: the lines from its comment to the next one. */
interface Refused {
  readonly file: string
  readonly from: number
  readonly to: number
  readonly says: string
}

const mark = /^\s*\/\/ says: (.+)$/

const refusedIn = (file: string): ReadonlyArray<Refused> => {
  const lines = readFileSync(file, "utf8").split("\n")
  const starts = lines.flatMap((line, index) => {
    const says = mark.exec(line)?.[1]
    return says === undefined ? [] : [{ from: index + 1, says }]
  })
  return starts.map(({ from, says }, index) => ({ file, from, to: starts[index + 1]?.from ?? Infinity, says }))
}

const isAbout = (message: Message, { file, from, to }: Refused): boolean =>
  message.file === file && message.line >= from && message.line < to

/** A message has further lines, which are indented. */
const messagesOf = (output: string): ReadonlyArray<Message> =>
  output.split(/\n(?=\S)/).flatMap((entry) => {
    const [, file, line, said] = /^(.+)\((\d+),\d+\): error (.+)$/s.exec(entry.trimEnd()) ?? []
    return file === undefined || said === undefined ? [] : [{ file, line: Number(line), text: said }]
  })

/** The problems in the answer of one compiler. */
const findingsOf = (output: string, failed: boolean, programs: ReadonlyArray<Refused>): ReadonlyArray<string> => {
  const messages = messagesOf(output)
  if (failed && messages.length === 0) return [output]
  const unexpected = messages.filter((message) => !programs.some((program) => isAbout(message, program)))
  return [
    ...unexpected.map(({ file, line, text }) => `${file}:${line}: ${text}`),
    ...programs.flatMap((program) => {
      const said = messages.filter((message) => isAbout(message, program)).map(({ text }) => text)
      if (said.some((text) => text.includes(program.says))) return []
      const instead = said.length === 0 ? "and it was accepted" : `but the messages are:\n${said.join("\n")}`
      return [`${program.file}:${program.from}: must be refused with "${program.says}", ${instead}`]
    })
  ]
}

const programs = globSync("packages/*/test/refused/*.ts")
  .map((file) => file.replaceAll("\\", "/"))
  .flatMap(refusedIn)

const check = async (compiler: string): Promise<boolean> => {
  const { version }: { version: string } = JSON.parse(readFileSync(`node_modules/${compiler}/package.json`, "utf8"))
  // A compiler checks only the programs again that a change can affect, and repeats its messages about the others.
  const state = `.cache/types/${version}.tsbuildinfo`
  const args = [`node_modules/${compiler}/bin/tsc`, "-p", "tsconfig.types.json", "--pretty", "false"]
  args.push("--incremental", "--tsBuildInfoFile", state)
  const tsc = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  const ended = new Promise<number | null>((resolve) => tsc.on("close", resolve))
  const output = await text(tsc.stdout)
  const findings = findingsOf(output, (await ended) !== 0, programs)
  for (const finding of findings) console.log(`TypeScript ${version}: FAIL: ${finding}`)
  if (findings.length === 0) console.log(`TypeScript ${version}: ok, and ${programs.length} programs refused`)
  return findings.length === 0
}

const results = await Promise.all(compilers.map(check))
process.exitCode = results.every(Boolean) ? 0 : 1
