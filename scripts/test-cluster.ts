/**
 * Runs the tests of the cluster package on PostgreSQL: `pnpm test:cluster`. The gate runs the same tests on SQLite.
 *
 * Starts a separate server on a free port of this machine, in a temporary folder that is removed at the end. Prints a
 * message and fails if PostgreSQL is missing. Debian has PostgreSQL as the package `postgresql`.
 */
import { spawn, type SpawnOptions, spawnSync } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"

/** The tests of the store in a file, of the watch and of the rounds can't use another database. */
const files = ["ClusterEntity", "clientScope", "embedded", "leases", "pool", "processes", "proxy"]

/** This test freezes the server, so it runs alone. */
const alone = ["storeAway"]

/** The folder of PostgreSQL's programs, which Debian keeps out of the PATH. */
const programs = (): string | undefined => {
  const debian = "/usr/lib/postgresql"
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : []
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...versions.map((one) => join(debian, one, "bin"))]
  return folders.find((folder) => ["initdb", "postgres", "pg_isready"].every((name) => existsSync(join(folder, name))))
}

/** PostgreSQL refuses to run as root. Debian's package has a user for it. */
const user = (): { readonly uid: number; readonly gid: number } | Record<string, never> => {
  if (process.getuid?.() !== 0) return {}
  const [uid, gid] = ["-u", "-g"].map((flag) =>
    Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout)
  )
  return uid && gid ? { uid, gid } : {}
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const bin = programs()
if (bin === undefined) {
  console.error(
    "PostgreSQL is not there: no folder of the PATH has initdb, postgres and pg_isready. Debian: apt-get install postgresql"
  )
  process.exit(1)
}

const owner = user()
const folder = mkdtempSync(join(tmpdir(), "quiesce-postgres-"))
if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid)
const data = join(folder, "data")
const settings: SpawnOptions = { ...owner, cwd: folder, stdio: ["ignore", "ignore", "inherit"] }

const run = async (): Promise<number> => {
  const made = spawnSync(
    join(bin, "initdb"),
    ["-D", data, "-U", "quiesce", "-A", "trust", "-E", "UTF8", "-N"],
    settings
  )
  if (made.status !== 0) return 1
  const port = await freePort()
  const options = ["-D", data, "-p", String(port), "-k", folder, "-h", "127.0.0.1"]
  const server = spawn(
    join(bin, "postgres"),
    [...options, "-c", "fsync=off", "-c", "max_connections=200", "-c", "log_min_messages=panic"],
    // With a process group of its own, so that a test can freeze all its processes.
    { ...settings, detached: true }
  )
  try {
    const vitest = join(import.meta.dirname, "../node_modules/vitest/vitest.mjs")
    const env = {
      ...process.env,
      QUIESCE_POSTGRES: `postgres://quiesce@127.0.0.1:${port}`,
      QUIESCE_POSTGRES_GROUP: String(server.pid)
    }
    const ready = (): boolean =>
      spawnSync(join(bin, "pg_isready"), ["-h", "127.0.0.1", "-p", String(port)]).status === 0
    while (server.exitCode === null && !ready()) await new Promise((resolve) => setTimeout(resolve, 50))
    const given = process.argv.slice(2)
    const test = (names: ReadonlyArray<string>): number => {
      const args = [vitest, "run", "--project", "cluster*", ...names]
      return spawnSync(process.execPath, args, { env, stdio: "inherit" }).status ?? 1
    }
    if (given.length > 0) return test(given)
    return Math.max(test(files), test(alone))
  } finally {
    server.kill("SIGINT")
    await new Promise((resolve) => (server.exitCode === null ? server.once("exit", resolve) : resolve(undefined)))
  }
}

try {
  process.exitCode = await run()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
