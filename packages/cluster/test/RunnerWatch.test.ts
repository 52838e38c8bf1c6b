import { connect, createServer, type Server, type Socket } from "node:net"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { RunnerWatch } from "../src/internal/watch/runnerWatch.ts"
import type { RunnerId } from "../src/internal/wire/runnerId.ts"

const listening = (server: Server, port = 0): Promise<number> =>
  new Promise((resolve) => {
    server.listen(port, "localhost", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })

const at = (port: number): RunnerId => ({ incarnation: `at-${port}`, host: "localhost", port })

/** A watch of one port, and the names of the runners reported as dead. */
const watching = (port: number) => {
  const gone: Array<string> = []
  const watch = new RunnerWatch<object>(({ incarnation }) => gone.push(incarnation))
  watch.add(at(port), {})
  return { gone, watch, stop: () => Effect.runSync(watch.close) }
}

const connected = (server: Server): Promise<Socket> => new Promise((resolve) => server.once("connection", resolve))

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

it("a port that refuses after a connection is reported as a dead runner", async () => {
  const server = createServer()
  const port = await listening(server)
  const first = connected(server)
  const { gone, stop } = watching(port)
  const socket = await first
  server.close()
  socket.destroy()
  await until(() => gone.length > 0)
  expect(gone).toEqual([`at-${port}`])
  stop()
})

it("a port that has never accepted a connection is judged only after one, because its address may be wrong", async () => {
  const free = createServer()
  const port = await listening(free)
  await new Promise((resolve) => free.close(resolve))
  const { gone, stop } = watching(port)
  // The watch was refused before this connection. It tries again later.
  await new Promise((resolve) => connect(port, "localhost").on("error", resolve))
  const server = createServer()
  await listening(server, port)
  const socket = await connected(server)
  expect(gone).toEqual([])
  server.close()
  socket.destroy()
  await until(() => gone.length > 0)
  stop()
})

it("a port that has only refused is reported at once if its runner is silent, and otherwise not", async () => {
  const free = createServer()
  const port = await listening(free)
  await new Promise((resolve) => free.close(resolve))
  const { gone, stop, watch } = watching(port)
  expect(Array.from(watch.unproven)).toEqual([`at-${port}`])
  // The first attempt has not ended.
  watch.giveUp(watch.unproven)
  expect(gone).toEqual([])
  await new Promise((resolve) =>
    connect(port, "localhost")
      .on("close", resolve)
      .on("error", () => {})
  )
  await until(() => {
    watch.giveUp(new Set(["another"]))
    expect(gone).toEqual([])
    watch.giveUp(watch.unproven)
    return gone.length > 0
  })
  expect(gone).toEqual([`at-${port}`])
  expect(watch.all).toEqual([])
  stop()
})

it("a port that has accepted a connection is not reported, because its runner may be frozen", async () => {
  const server = createServer()
  const port = await listening(server)
  const first = connected(server)
  const { gone, stop, watch } = watching(port)
  const socket = await first
  await until(() => watch.unproven.size === 0)
  watch.giveUp(new Set([`at-${port}`]))
  expect(gone).toEqual([])
  stop()
  socket.destroy()
  server.close()
})

it("a port that closes each connection at once is tried again only after a pause", async () => {
  const tries: Array<number> = []
  const server = createServer((socket) => {
    tries.push(socket.remotePort ?? 0)
    socket.destroy()
  })
  const port = await listening(server)
  const { gone, stop } = watching(port)
  await until(() => tries.length >= 2)
  // Each of these connections takes as long as a connection of the watch.
  for (let n = 0; n < 20; n++) await new Promise((resolve) => connect(port, "localhost").on("close", resolve).resume())
  expect(tries.length).toBeLessThan(2 + 20 + 5)
  expect(gone).toEqual([])
  stop()
  server.close()
})

it("a closed connection to a runner that still listens is opened again", async () => {
  const server = createServer()
  const port = await listening(server)
  const first = connected(server)
  const { gone, stop } = watching(port)
  const socket = await first
  const second = connected(server)
  socket.destroy()
  await second
  expect(gone).toEqual([])
  stop()
  server.close()
})
