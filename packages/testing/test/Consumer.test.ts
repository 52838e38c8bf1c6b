/** The built package in a project without vitest and fast-check, as a user of `node:test` installs the package. */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"

const root = join(import.meta.dirname, "..")
const tsc = join(dirname(createRequire(join(root, "../../package.json")).resolve("typescript/package.json")), "bin/tsc")

let project: string

const run = (...args: ReadonlyArray<string>): string => {
  const { status, stderr, stdout } = spawnSync(process.execPath, args, {
    cwd: project,
    encoding: "utf8",
    timeout: 240_000,
    env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined }
  })
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}\n${stdout}\n${stderr}`)
  return stdout
}

/** Installs the built files of a package under the exports that the package is published with. */
const install = (name: string): void => {
  const source = join(root, "..", name)
  const target = join(project, "node_modules/@quiesce", name)
  const manifest = JSON.parse(readFileSync(join(source, "package.json"), "utf8"))
  cpSync(join(source, "dist"), join(target, "dist"), { recursive: true })
  writeFileSync(join(target, "package.json"), JSON.stringify({ ...manifest, ...manifest.publishConfig }))
}

beforeAll(() => {
  project = realpathSync(mkdtempSync(join(tmpdir(), "quiesce-consumer-")))
  run(tsc, "-b", join(root, "tsconfig.src.json"))
  mkdirSync(join(project, "node_modules/@quiesce"), { recursive: true })
  install("core")
  install("testing")
  symlinkSync(realpathSync(join(root, "node_modules/effect")), join(project, "node_modules/effect"), "junction")
  mkdirSync(join(project, "node_modules/@types"))
  symlinkSync(
    realpathSync(join(root, "node_modules/@types/node")),
    join(project, "node_modules/@types/node"),
    "junction"
  )
  cpSync(join(import.meta.dirname, "fixtures/consumer.ts"), join(project, "consumer.test.ts"))
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }))
})

afterAll(() => rmSync(project, { recursive: true, force: true }))

it("Leaks and Interruption work under node:test without vitest and fast-check", () => {
  const report = run("--test", "--test-reporter=tap", "consumer.test.ts")

  expect(report).toMatch(/^# pass 5$/m)
  expect(report).toMatch(/^# fail 0$/m)
})

it("the types of the entry for users need neither vitest nor fast-check", () => {
  const compilerOptions = {
    module: "NodeNext",
    target: "ES2024",
    lib: ["ES2024", "ESNext.Disposable", "DOM"],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    types: ["node"]
  }
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["consumer.test.ts"] }))

  // The types of Effect itself are not under test.
  const { stdout } = spawnSync(process.execPath, [tsc, "-p", "."], { cwd: project, encoding: "utf8", timeout: 240_000 })
  expect(stdout.split("\n").filter((line) => /^(consumer|node_modules\/@quiesce)/.test(line))).toEqual([])
  const files = run(tsc, "-p", ".", "--listFilesOnly")
  expect(files).toContain("@quiesce/testing/dist/index.d.ts")
  expect(files).not.toMatch(/\/(vitest|fast-check)\/|testing\/dist\/(laws|Matchers)/)
})
