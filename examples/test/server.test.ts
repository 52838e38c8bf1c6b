/** The example 10-server from outside: a process of its own, real connections, real signals. */
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout } from "node:timers/promises"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type Running, startFile } from "./support.ts"

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quiesce-server-"))
})
afterEach(() => rm(folder, { recursive: true, maxRetries: 5 }))

interface Answer {
  readonly status: number
  readonly connection: string | undefined
  readonly text: string
}

/** A client that keeps its connections, as a load balancer does. */
class Client {
  private readonly agent = new Agent({ keepAlive: true })
  readonly port: number

  constructor(port: number) {
    this.port = port
  }

  send(method: "GET" | "POST", path: string): ClientRequest {
    const { agent, port } = this
    return request({ method, path, port, agent, host: "127.0.0.1" }).end()
  }

  async ask(method: "GET" | "POST", path: string): Promise<Answer> {
    return answerOf(this.send(method, path))
  }

  close(): void {
    this.agent.destroy()
  }
}

const answerOf = async (request: ClientRequest): Promise<Answer> => {
  // The event has the response.
  const [response] = (await once(request, "response")) as [IncomingMessage]
  let text = ""
  for await (const chunk of response.setEncoding("utf8")) text += String(chunk)
  return { status: response.statusCode!, connection: response.headers.connection, text }
}

const start = async (args: Readonly<Record<string, number>> = {}) => {
  const file = join(folder, "reports.db")
  const options = Object.entries({ "serve-on": 0, ...args }).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = startFile("examples/10-server/main.ts", {
    args: ["--port", "0", "--database", file, ...options]
  })
  const line = await server.prints("listening on")
  return { server, file, client: new Client(Number(/:(\d+)$/.exec(line)![1])) }
}

interface Look {
  readonly http: { readonly connections: number; readonly requests: number }
  readonly pool: { readonly running: number; readonly queued: number }
  readonly threads: ReadonlyArray<string>
  readonly halfReports: number
  readonly resources: ReadonlyArray<string>
}

/** Requests the server's state until the answer is as wanted. */
const lookUntil = async (client: Client, wanted: (look: Look) => boolean): Promise<Look> => {
  for (;;) {
    const look = JSON.parse((await client.ask("GET", "/admin")).text) as Look // the route's type
    if (wanted(look)) return look
    await setTimeout(20)
  }
}

const inTransaction = ({ threads }: Look): boolean => threads.some((line) => line.includes("- transaction, held for"))

/** Only the request of this look itself is left. */
const isQuiet = ({ http, pool, resources, threads }: Look): boolean =>
  http.requests === 1 &&
  http.connections === 1 &&
  pool.running === 0 &&
  pool.queued === 0 &&
  threads.length === 2 &&
  !resources.includes("ProcessWrap")

const isLinux = process.platform === "linux"

const descriptorsOf = ({ pid }: Running): number => (isLinux ? readdirSync(`/proc/${pid}/fd`).length : 0)

const childrenOf = ({ pid }: Running): ReadonlyArray<string> =>
  isLinux ? readdirSync(`/proc/${pid}/task`).flatMap((task) => pids(`/proc/${pid}/task/${task}/children`)) : []

const pids = (file: string): ReadonlyArray<string> =>
  readFileSync(file, "utf8")
    .split(" ")
    .filter((pid) => pid !== "")

/** The reports of a database file, each with its wanted and its written parts. */
const reportsIn = (
  file: string
): ReadonlyArray<{ readonly id: string; readonly parts: number; readonly written: number }> => {
  const database = new DatabaseSync(file)
  const rows = database
    .prepare("SELECT id, parts, (SELECT count(*) FROM part WHERE report = id) AS written FROM report")
    .all()
  const strays = database.prepare("SELECT * FROM part WHERE report NOT IN (SELECT id FROM report)").all()
  database.close()
  expect(strays).toEqual([])
  return rows as never // by the query
}

const endless = "/reports?below=1e15&parts=1"

it("10-server: a client that goes away cancels its busy work, and its transaction is rolled back", async () => {
  const { client, file, server } = await start()
  expect((await client.ask("POST", "/reports?below=1000&parts=4")).status).toBe(201)
  const leaving = client.send("POST", endless).on("error", () => {})
  await lookUntil(client, inTransaction)
  leaving.destroy()

  const { halfReports } = await lookUntil(client, isQuiet)
  expect(halfReports).toBe(0)
  const second = await client.ask("POST", "/reports?below=100&parts=2")
  expect(JSON.parse(second.text)).toMatchObject({ primes: 25 })
  client.close()
  server.kill("SIGTERM")
  expect(await server.ended).toMatchObject({ code: 0 })
  expect(reportsIn(file).map(({ parts, written }) => [parts, written])).toEqual([
    [4, 4],
    [2, 2]
  ])
})

it("10-server at SIGTERM: not ready, then closed, requests end or are cancelled at their deadline, exit code 0", async () => {
  const { client, file, server } = await start({ "serve-on": 2, deadline: 8 })
  expect((await client.ask("GET", "/ready")).status).toBe(200)
  const idle = new Client(client.port)
  expect((await idle.ask("GET", "/ready")).connection).toBe("keep-alive")
  const late = client.ask("POST", endless)
  await lookUntil(client, inTransaction)

  server.kill("SIGTERM")
  await server.prints("Received SIGTERM: not ready any more")
  // The server still answers everything, and asks clients to use another server.
  expect(await client.ask("GET", "/ready")).toMatchObject({ status: 503, connection: "close", text: "leaving" })
  await refused(client.port)
  expect(await late).toMatchObject({ status: 503, connection: "close" })
  expect((await late).text).toContain("The work did not end within its deadline of 8000 ms")
  const { code, lines } = await server.ended

  expect(code).toBe(0)
  expect(lines.at(-1)).toBe("closed, 0 requests are left")
  expect(reportsIn(file)).toEqual([])
  // The last connection removes the log and the shared memory of the database.
  expect([existsSync(`${file}-wal`), existsSync(`${file}-shm`)]).toEqual([false, false])
  client.close()
  idle.close()
})

it("10-server at a second signal: running requests are cancelled and answered, and nothing is left behind", async () => {
  const { client, file, server } = await start({ "serve-on": 600, deadline: 600 })
  const late = client.ask("POST", endless)
  await lookUntil(client, inTransaction)

  server.kill("SIGTERM")
  await server.prints("not ready any more")
  server.kill("SIGINT")
  expect(await late).toMatchObject({ status: 503, connection: "close" })

  expect(await server.ended).toMatchObject({ code: 143 })
  expect(reportsIn(file)).toEqual([])
  client.close()
})

/** Waits until a new connection is refused. */
const refused = async (port: number): Promise<void> => {
  for (;;) {
    const socket = connect(port, "127.0.0.1")
    const result = await once(socket, "connect").catch((error: NodeJS.ErrnoException) => error.code)
    socket.destroy()
    if (result === "ECONNREFUSED") return
    await setTimeout(20)
  }
}

/** Makes both workers open the files of the database, which SQLite does at the first use. */
const openBoth = async (client: Client): Promise<void> => {
  const both = [1, 2].map(() => client.send("POST", endless).on("error", () => {}))
  await lookUntil(client, ({ pool }) => pool.running === 2)
  for (const request of both) request.destroy()
  await lookUntil(client, isQuiet)
}

/** Numbers from 0 to 1 from a seed: the generator mulberry32. */
const randomFrom = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}

/** Sends a request and cuts its connection after a while. Returns the answer of a request that was faster. */
const sendAndCut = async (client: Client, path: string, millis: number): Promise<Answer | undefined> => {
  const sent = client.send("POST", path)
  const cut = new AbortController()
  const timer = setTimeout(millis, undefined, { signal: cut.signal }).then(
    () => sent.destroy(),
    () => {}
  )
  try {
    return await answerOf(sent)
  } catch {
    return undefined
  } finally {
    cut.abort()
    await timer
  }
}

it("10-server: a third of 2,000 requests is cut at random moments, and nothing is left behind", async () => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  const random = randomFrom(seed)
  const { client, file, server } = await start({ deadline: 600 })
  await openBoth(client)
  const before = descriptorsOf(server)

  const answers: Array<Answer> = []
  let cuts = 0
  let left = 2000
  const sendAll = async (): Promise<void> => {
    while (left-- > 0) {
      const path = `/reports?below=${2000 + Math.floor(random() * 4000)}&parts=${2 + Math.floor(random() * 6)}`
      const isCut = random() < 1 / 3
      const answer = isCut ? await sendAndCut(client, path, random() * 60) : await client.ask("POST", path)
      if (answer === undefined) cuts++
      else answers.push(answer)
    }
  }
  await Promise.all(Array.from({ length: 24 }, sendAll))
  client.close()
  const observer = new Client(client.port)
  const look = await lookUntil(observer, isQuiet)
  await until(() => descriptorsOf(server) <= before)

  console.log(`${answers.length} whole, ${cuts} cut`)
  expect(answers.length + cuts).toBe(2000)
  expect(answers.filter(({ status }) => status !== 201)).toEqual([])
  expect(cuts).toBeGreaterThan(200)
  expect(look.halfReports).toBe(0)
  expect(childrenOf(server)).toEqual([])
  observer.close()
  server.kill("SIGTERM")
  expect(await server.ended).toMatchObject({ code: 0, errors: "" })
  const reports = reportsIn(file)
  expect(reports.filter(({ parts, written }) => parts !== written)).toEqual([])
  const ids = new Set(reports.map(({ id }) => id))
  expect(answers.filter(({ text }) => !ids.has((JSON.parse(text) as { readonly id: string }).id))).toEqual([])
  expect(ids.size).toBeLessThanOrEqual(2001)
})

const until = async (wanted: () => boolean): Promise<void> => {
  while (!wanted()) await setTimeout(20)
}
