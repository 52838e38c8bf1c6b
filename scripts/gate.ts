/**
 * Runs all named checks one after another, and fails if one of them has failed:
 *
 * node scripts/gate.ts types lint format tests
 *
 * `tests` are all tests, on the Node that runs this script. `node22` and similar names are the tests that depend on the
 * version of Node.
 *
 * The failed tests are printed last, by their names. If QUIESCE_GATE_SUMMARY names a file, the counts and the names are
 * written to the file as JSON. Each check counts as one, and `tests` counts each test.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { isAbsolute, join, relative } from "node:path"
import { stripVTControlCharacters } from "node:util"
import * as Nodes from "./nodes.ts"

interface Outcome {
  readonly passed: number
  readonly failed: number
  /** The failed tests: file, name and the beginning of the message. */
  readonly failures?: ReadonlyArray<string>
  /** The reason why the check was not run. */
  readonly absence?: string
}

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: ReadonlyArray<{
      readonly status: string
      readonly fullName: string
      readonly failureMessages?: ReadonlyArray<string>
    }>
  }>
}

/**
 * Hundreds of workers and processes load the same modules, so the modules are compiled once, and the sources are
 * bundled.
 */
const cache = join(import.meta.dirname, "../.cache/node-compile")

const succeeds = (command: string, ...args: ReadonlyArray<string>): boolean => {
  const { error, status } = spawnSync(command, args, {
    env: { NODE_COMPILE_CACHE: cache, QUIESCE_BUNDLE_SOURCES: "1", ...process.env },
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32" && !isAbsolute(command)
  })
  if (error) console.error(`${command}: ${error.message}`)
  return status === 0
}

const command = (name: string, ...args: ReadonlyArray<string>): Outcome =>
  succeeds(name, ...args) ? { passed: 1, failed: 0 } : failed(`${[name, ...args].join(" ")} failed`)

const failed = (failure: string): Outcome => ({ passed: 0, failed: 1, failures: [failure] })

/** The second check needs the output of the first. */
const both = (first: Outcome, second: () => Outcome): Outcome => {
  if (first.failed > 0) return first
  const { failed, failures, passed } = second()
  return { passed: first.passed + passed, failed: first.failed + failed, ...(failures && { failures }) }
}

const vitest = join(import.meta.dirname, "../node_modules/vitest/vitest.mjs")
const stalledTests = join(import.meta.dirname, "stalledTests.ts")

/**
 * Runs the tests of the named files and folders, or all tests, on a version of Node. Processes of the tests run on the
 * same version.
 */
const tests = (node: string, files: ReadonlyArray<string> = []): Outcome => {
  const directory = mkdtempSync(join(tmpdir(), "quiesce-gate-"))
  const file = join(directory, "vitest.json")
  try {
    const reporters = ["default", stalledTests, "json"].map((name) => `--reporter=${name}`)
    const ok = succeeds(node, vitest, "run", ...files, ...reporters, `--outputFile.json=${file}`)
    return count(readReport(file), ok)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The tests that depend on the version of Node. The other tests check types, texts, and laws in virtual time. */
const versioned = [
  "packages/core/test/",
  "packages/worker-threads/test/",
  "packages/process/test/",
  "packages/cluster/test/embedded",
  "packages/cluster/test/leases",
  "packages/laws/test/OnWorkers",
  "examples/test/besideOthers",
  "examples/test/main",
  "examples/test/tour",
  "examples/test/ways"
]

const testsOn = (major: Nodes.Major): Outcome => {
  const binary = Nodes.find(major)
  if (binary !== undefined) return tests(binary, versioned)
  console.log(Nodes.absence(major))
  return { passed: 0, failed: 0, absence: Nodes.absence(major) }
}

const readReport = (file: string): VitestReport | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as VitestReport // vitest has just written this
  } catch {
    return undefined
  }
}

const count = (report: VitestReport | undefined, ok: boolean): Outcome => {
  if (report === undefined) return failed("vitest wrote no report")
  // A file that did not load has failed without any failed test.
  const unloaded = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed")
  )
  const count = report.numFailedTests + unloaded.length
  const failures = [
    ...report.testResults.flatMap((file) =>
      file.assertionResults
        .filter((test) => test.status === "failed")
        .map((test) => failure(file.name, test.fullName, test.failureMessages?.[0]))
    ),
    ...unloaded.map((file) => failure(file.name, "did not load", file.message)),
    ...(ok || count > 0 ? [] : ["vitest failed although no test did: its output has an error outside the tests"])
  ]
  return { passed: report.numPassedTests, failed: ok ? count : Math.max(count, 1), failures }
}

const mostOfMessage = 400

const failure = (file: string, name: string, message = "no message"): string =>
  `${relative(process.cwd(), file)} > ${name}: ${stripVTControlCharacters(message).slice(0, mostOfMessage)}`

const checks: Readonly<Record<string, () => Outcome>> = {
  format: () => command("oxfmt", "--check"),
  lint: () => command("oxlint"),
  types: () => both(command("tsc", "-b"), () => command("node", "scripts/check-types.ts")),
  unused: () => command("knip", "--no-config-hints"),
  packages: () => command("node", "scripts/check-packages.ts"),
  tests: () => tests(process.execPath),
  ...Object.fromEntries(Nodes.majors.map((major) => [`node${major}`, () => testsOn(major)]))
}

const names = process.argv.slice(2)
const unknown = names.filter((name) => !Object.hasOwn(checks, name))
if (unknown.length > 0 || names.length === 0) {
  console.error(`Name one or more of: ${Object.keys(checks).join(", ")}. Unknown: ${unknown.join(", ") || "none"}.`)
  process.exit(2)
}

const results = names.map((name) => {
  console.log(`\n> ${name}`)
  const start = performance.now()
  const outcome = checks[name]?.() ?? { passed: 0, failed: 1 }
  return { name, ...outcome, seconds: (performance.now() - start) / 1000 }
})

console.log("")
for (const { name, passed, failed, absence, seconds } of results) {
  const outcome = absence ?? `${passed} of ${passed + failed}  ${seconds.toFixed(1)} s`
  console.log(`${failed > 0 ? "FAIL" : absence === undefined ? "ok  " : "--  "}  ${name.padEnd(10)}${outcome}`)
}

const failures = results.flatMap(({ name, failures }) => (failures ?? []).map((text) => `${name}: ${text}`))
for (const text of failures) console.log(`\nFAIL  ${text}`)

const total: Outcome = {
  passed: results.reduce((sum, result) => sum + result.passed, 0),
  failed: results.reduce((sum, result) => sum + result.failed, 0),
  failures
}
const summary = process.env["QUIESCE_GATE_SUMMARY"]
if (summary) writeFileSync(summary, JSON.stringify(total))
process.exitCode = total.failed > 0 ? 1 : 0
