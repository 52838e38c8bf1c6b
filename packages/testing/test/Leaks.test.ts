/**
 * A resource of each kind is not reported if it was closed. If it is left open, it is reported with the place that made
 * it.
 */
import { Leaks, type LeftOver, TestingError } from "@quiesce/testing"
import { Cause, Deferred, Effect, Exit, Fiber } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createSocket } from "node:dgram"
import { addAbortListener, EventEmitter, once } from "node:events"
import * as fs from "node:fs"
import { createServer as createHttpServer } from "node:http"
import { connect, createServer, type Server, Socket } from "node:net"
import { finished, PassThrough, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { BroadcastChannel, MessageChannel, Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"

const here = fileURLToPath(import.meta.url)
/** For leftovers that are never closed: a shorter wait finds them sooner. */
const brief: Leaks.Options = { within: "20 millis" }
/** A limit that no test reaches: the wait ends when all resources are closed. */
const patient: Leaks.Options = { within: "20 seconds" }

const leftOversOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<LeftOver.LeftOver> => {
  if (Exit.isSuccess(exit)) return []
  if (Cause.hasDies(exit.cause)) throw Cause.squash(exit.cause)
  return exit.cause.reasons.flatMap((reason) =>
    Cause.isFailReason(reason) &&
    reason.error instanceof TestingError.TestingError &&
    reason.error.reason._tag === "LeftOver"
      ? reason.error.reason.leftOvers
      : []
  )
}

const look = <A, E>(effect: Effect.Effect<A, E>, options: Leaks.Options = brief) =>
  Effect.runPromise(Effect.map(Effect.exit(Leaks.none(effect, options)), leftOversOf))

/** A resource that a test opens. The test closes it itself, or after the search for leftovers. */
interface Opened {
  readonly open: () => Promise<() => unknown>
  readonly kind: LeftOver.Kind
  readonly what: RegExp
  readonly unref?: boolean
}

const listen = async (server: Server): Promise<number> => {
  await once(server.listen(0, "127.0.0.1"), "listening")
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const closed = (server: Server): Promise<unknown> => {
  const closing = once(server, "close")
  server.close()
  return closing
}

const ended = (child: ChildProcess): Promise<unknown> => {
  const closing = once(child, "close")
  child.kill()
  return closing
}

const signal = new AbortController().signal
const target = new EventTarget()
const emitter = new EventEmitter()
const onAbort = () => {}
const onSignal = () => {}

const opened: Readonly<Record<string, Opened>> = {
  "a listener on an AbortSignal": {
    open: async () => {
      signal.addEventListener("abort", onAbort)
      return () => signal.removeEventListener("abort", onAbort)
    },
    kind: "listener",
    what: /^"onAbort" for "abort" on an AbortSignal$/
  },
  "a listener that listens once": {
    open: async () => {
      const controller = new AbortController()
      held.add(controller)
      controller.signal.addEventListener("abort", () => {}, { once: true })
      return () => controller.abort()
    },
    kind: "listener",
    what: /^a listener for "abort" on an AbortSignal$/
  },
  "a listener with a signal of its own": {
    open: async () => {
      const controller = new AbortController()
      held.add(controller)
      signal.addEventListener("abort", () => {}, { signal: controller.signal })
      return () => controller.abort()
    },
    kind: "listener",
    what: /^a listener for "abort" on an AbortSignal$/
  },
  "a listener by events.addAbortListener": {
    open: async () => {
      const listener = addAbortListener(signal, () => {})
      return () => listener[Symbol.dispose]()
    },
    kind: "listener",
    what: /for "abort" on an AbortSignal$/
  },
  "a listener on an EventTarget": {
    open: async () => {
      target.addEventListener("change", onAbort)
      return () => target.removeEventListener("change", onAbort)
    },
    kind: "listener",
    what: /^"onAbort" for "change" on an EventTarget$/
  },
  "a listener on an EventEmitter": {
    open: async () => {
      emitter.on("change", onAbort)
      return () => emitter.off("change", onAbort)
    },
    kind: "listener",
    what: /^"onAbort" for "change" on an EventEmitter$/
  },
  "a listener that listens once on an EventEmitter": {
    open: async () => {
      emitter.prependOnceListener("change", onAbort)
      return () => emitter.emit("change")
    },
    kind: "listener",
    what: /^"onAbort" for "change" on an EventEmitter$/
  },
  "a listener on an EventEmitter of its own": {
    open: async () => {
      const emitter = new EventEmitter()
      held.add(emitter)
      emitter.addListener("change", () => {})
      return () => emitter.removeAllListeners()
    },
    kind: "listener",
    what: /^a listener for "change" on an EventEmitter$/
  },
  "a wait by events.once": {
    open: async () => {
      void once(emitter, "change")
      return () => emitter.emit("change")
    },
    kind: "listener",
    what: /for "(change|error)" on an EventEmitter$/
  },
  "a listener by onabort": {
    open: async () => {
      // The listener has a channel of its own: Node 22 throws if it is set again after all other listeners were
      // removed.
      const controller = new AbortController()
      held.add(controller)
      // oxlint-disable-next-line unicorn/prefer-add-event-listener
      controller.signal.onabort = () => {}
      // oxlint-disable-next-line unicorn/prefer-add-event-listener
      return () => (controller.signal.onabort = null)
    },
    kind: "listener",
    what: /for "abort" on an AbortSignal$/
  },
  "a timer": {
    open: async () => {
      const timer = setTimeout(() => {}, 60_000)
      return () => clearTimeout(timer)
    },
    kind: "timer",
    what: /^setTimeout of 60000 ms$/
  },
  "a timer that is unref'd": {
    open: async () => {
      const timer = setInterval(() => {}, 60_000).unref()
      return () => clearInterval(timer)
    },
    kind: "timer",
    what: /^setInterval of 60000 ms$/,
    unref: true
  },
  "a server": {
    open: async () => {
      const server = createServer()
      await listen(server)
      return () => closed(server)
    },
    kind: "handle",
    what: /^TCP server$/
  },
  "a socket": {
    open: async () => {
      const socket = createSocket("udp4")
      const listening = once(socket, "listening")
      socket.bind()
      await listening
      return () => {
        const closing = once(socket, "close")
        socket.close()
        return closing
      }
    },
    kind: "handle",
    what: /^UDP socket$/
  },
  "a message port": {
    open: async () => {
      const { port1 } = new MessageChannel()
      return () => {
        const closing = once(port1, "close")
        port1.close()
        return closing
      }
    },
    kind: "handle",
    what: /^message port$/,
    unref: true
  },
  "a watcher of a file": {
    open: async () => {
      const watcher = fs.watch(here)
      return () => watcher.close()
    },
    kind: "handle",
    what: /^watcher of a file \(fs\.watch\)$/
  },
  "a listener for an OS signal": {
    open: async () => {
      process.on("SIGUSR2", onSignal)
      return () => process.off("SIGUSR2", onSignal)
    },
    kind: "handle",
    what: /^listener for an OS signal$/,
    unref: true
  },
  "a worker": {
    open: async () => {
      const worker = new Worker("setInterval(() => {}, 60_000)", { eval: true })
      await once(worker, "online")
      return () => worker.terminate()
    },
    kind: "worker",
    what: /^worker thread \d+$/
  },
  "a child process": {
    open: async () => {
      const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 60_000)"])
      await once(child, "spawn")
      return () => ended(child)
    },
    kind: "process",
    what: /^child process \d+ \(.*node.* -e setInterval/
  },
  "a descriptor": {
    open: async () => {
      const fd = fs.openSync(here, "r")
      return () => fs.closeSync(fd)
    },
    kind: "descriptor",
    what: /^descriptor \d+/
  },
  "a descriptor that a callback got": {
    open: async () => {
      const fd = await new Promise<number>((resolve, reject) =>
        fs.open(here, (error, fd) => (error === null ? resolve(fd) : reject(error)))
      )
      return () => fs.closeSync(fd)
    },
    kind: "descriptor",
    what: /^descriptor \d+/
  },
  "a file handle": {
    open: async () => {
      const handle = await fs.promises.open(here)
      return () => handle.close()
    },
    kind: "descriptor",
    what: /^descriptor \d+/
  },
  "a stream of a file": {
    open: async () => {
      const stream = fs.createReadStream(here)
      await once(stream, "open")
      return () => {
        const closing = once(stream, "close")
        stream.destroy()
        return closing
      }
    },
    kind: "descriptor",
    what: /^descriptor \d+/
  }
}

const held = new Set<unknown>()

/** A target of listeners that was made before the watch and has not ended. */
interface Target {
  readonly target: object
  readonly add: (listener: () => void) => unknown
  readonly close?: () => unknown
}

class Breaker extends EventEmitter {
  readonly closed = true
  readonly destroyed = true
  readonly fd = -1
  readonly _handle = null
}

class Door extends EventTarget {
  readonly closed = true
  readonly destroyed = true
}

const onEmitter = (target: EventEmitter, close?: () => unknown): Target => ({
  target,
  add: (listener) => target.on("change", listener),
  ...(close === undefined ? {} : { close })
})

const onTarget = (target: EventTarget, close?: () => unknown): Target => ({
  target,
  add: (listener) => target.addEventListener("change", listener),
  ...(close === undefined ? {} : { close })
})

const stream = new PassThrough()

const targets: Readonly<Record<string, () => Target | Promise<Target>>> = {
  "a stream": () => onEmitter(stream),
  "a stream, by once": () => ({ target: stream, add: (listener) => stream.once("change", listener) }),
  "a stream, by addListener": () => ({ target: stream, add: (listener) => stream.addListener("change", listener) }),
  "a stream that only writes": () => onEmitter(new Writable()),
  "the output of a child process": async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 60_000)"])
    await once(child, "spawn")
    return onEmitter(child.stdout, () => ended(child))
  },
  "a socket that is connected": async () => {
    const server = createServer()
    const socket = connect(await listen(server), "127.0.0.1")
    await once(socket, "connect")
    return onEmitter(socket, () => {
      socket.destroy()
      return closed(server)
    })
  },
  "a socket that is not connected": () => onEmitter(new Socket()),
  "a server that does not listen": () => onEmitter(createHttpServer()),
  "a server that listens": async () => {
    const server = createServer()
    await listen(server)
    return onEmitter(server, () => closed(server))
  },
  "an emitter with properties of something that has ended": () => onEmitter(new Breaker()),
  "a target with properties of something that has ended": () => onTarget(new Door()),
  "a message port": () => {
    const { port1 } = new MessageChannel()
    return onTarget(port1, () => port1.close())
  },
  "a message port, by on": () => {
    const { port1 } = new MessageChannel()
    return { target: port1, add: (listener) => port1.on("message", listener), close: () => port1.close() }
  },
  "a broadcast channel": () => {
    const channel = new BroadcastChannel("Leaks.test")
    channel.unref()
    return onTarget(channel, () => channel.close())
  }
}

/** Collects garbage. Node itself refers to a handle for some turns after the handle was opened. */
const collectLater = async () => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  setFlagsFromString("--expose-gc")
  const gc: unknown = runInNewContext("gc")
  if (typeof gc === "function") gc()
  await new Promise((resolve) => setImmediate(resolve))
}

describe("none", () => {
  it.each(Object.entries(opened))("finds nothing for %s that is closed", async (_, { open }) => {
    const effect = Effect.promise(async () => (await open())())

    expect(await look(effect, patient)).toEqual([])
  })

  it.each(Object.entries(opened))("finds %s that is left open, and the place that made it", async (_, one) => {
    let close: (() => unknown) | undefined
    const found = await look(
      Effect.promise(async () => {
        close = await one.open()
      })
    )
    await close?.()

    expect(found.filter((leftOver) => leftOver.kind === one.kind).slice(0, 1)).toMatchObject([
      { what: expect.stringMatching(one.what), unref: one.unref ?? false }
    ])
    expect(new Set(found.map((leftOver) => leftOver.kind))).toEqual(new Set([one.kind]))
    expect(found.every((leftOver) => leftOver.madeAt[0]?.includes("Leaks.test.ts"))).toBe(true)
  })

  it("keeps a leftover file handle alive, because Node 26 crashes when a file handle is garbage-collected", async () => {
    let handle: WeakRef<fs.promises.FileHandle> | undefined
    const found = await look(
      Effect.promise(async () => {
        handle = new WeakRef(await fs.promises.open(here))
        await collectLater()
      })
    )
    await collectLater()
    const left = handle?.deref()
    await left?.close()

    expect(found.map(({ kind }) => kind)).toEqual(["descriptor"])
    expect(left).toBeDefined()
  })

  it.each(Object.entries(targets))(
    "finds a listener that is left on an older %s, and the place that added it",
    async (_, make) => {
      const { add, close, target } = await make()
      const found = await look(Effect.sync(() => add(onAbort)))
      await close?.()

      expect(target).toBeDefined()
      expect(found).toMatchObject([{ kind: "listener", what: expect.stringMatching(/^"onAbort" for /) }])
      expect(found[0]!.madeAt[0]).toContain("Leaks.test.ts")
    }
  )

  it("finds nothing for the listeners that Node itself adds to streams", async () => {
    const outer = new PassThrough()
    const source = new PassThrough()
    const effect = Effect.promise(async () => {
      source.pipe(outer)
      finished(outer, () => {})
      const child = spawn(process.execPath, ["-e", ""])
      held.add(child)
      await once(child, "close")
    })

    expect(await look(effect)).toEqual([])
  })

  it("reports a leftover handle, and not the listeners on the handle", async () => {
    let close: (() => void) | undefined
    const found = await look(
      Effect.promise(async () => {
        const { port1 } = new MessageChannel()
        port1.on("message", onAbort)
        const server = createServer().on("connection", onAbort)
        await listen(server)
        close = () => {
          port1.close()
          server.close()
        }
      })
    )
    close?.()

    expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(["handle"]))
  })

  it("finds nothing for a listener on an older port that was closed", async () => {
    const { port1 } = new MessageChannel()
    const channel = new BroadcastChannel("Leaks.test")
    const effect = Effect.sync(() => {
      port1.on("message", onAbort)
      channel.addEventListener("message", onAbort)
      port1.close()
      channel.close()
    })

    expect(await look(effect, patient)).toEqual([])
  })

  it("finds one of two equal listeners on an EventEmitter after the other was removed", async () => {
    const found = await look(
      Effect.sync(() => {
        emitter.on("change", onAbort)
        emitter.on("change", onAbort)
        emitter.off("change", onAbort)
      })
    )
    emitter.off("change", onAbort)

    expect(found).toMatchObject([{ kind: "listener", what: '"onAbort" for "change" on an EventEmitter' }])
  })

  it("finds nothing for listeners on closed or unreachable targets", async () => {
    const effect = Effect.promise(async () => {
      new EventEmitter().on("change", () => {})
      new EventTarget().addEventListener("change", () => {})
      const server = createServer().on("connection", () => {})
      held.add(server)
      await listen(server)
      await closed(server)
      const watcher = fs.watch(here).on("change", () => {})
      held.add(watcher)
      const closing = once(watcher, "close")
      watcher.close()
      await closing
      const socket = createSocket("udp4").on("message", () => {})
      held.add(socket)
      await once(socket.bind(0, "127.0.0.1"), "listening")
      const closingSocket = once(socket, "close")
      socket.close()
      await closingSocket
      const stream = fs.createReadStream(here).on("data", () => {})
      held.add(stream)
      await once(stream, "close")
    })

    expect(await look(effect, patient)).toEqual([])
  })

  it("finds nothing for a listener on an unreachable signal", async () => {
    const effect = Effect.sync(() => {
      new AbortController().signal.addEventListener("abort", () => {})
    })

    expect(await look(effect, patient)).toEqual([])
  })

  it("finds nothing for a listener on an unreachable signal while a thread of the engine compiles code with the signal", async () => {
    const effect = Effect.sync(() => {
      const { signal } = new AbortController()
      signal.addEventListener("abort", () => {})
      compileElsewhere(() => signal.aborted)
    })
    setFlagsFromString("--concurrent-recompilation-delay=90") // milliseconds
    try {
      for (let i = 0; i < 5; i++) expect(await look(effect, { within: "1 milli" })).toEqual([])
    } finally {
      setFlagsFromString("--concurrent-recompilation-delay=0")
    }
  })

  it("finds a listener on an emitter whose properties can't be read", async () => {
    class Broken extends EventEmitter {
      get socket(): never {
        throw new Error("not to be read")
      }
      get _handle(): never {
        throw new Error("not to be read")
      }
    }
    const broken = Object.defineProperty(new Broken(), "constructor", { value: undefined })

    expect(await look(Effect.sync(() => broken.on("change", onAbort)))).toMatchObject([{ kind: "listener" }])
    broken.off("change", onAbort)
  })

  it("counts a listener that was added twice once, and ignores a listener whose own signal has aborted", async () => {
    const effect = Effect.sync(() => {
      signal.addEventListener("abort", onAbort)
      signal.addEventListener("abort", onAbort)
      signal.addEventListener("abort", () => {}, { signal: AbortSignal.abort() })
    })

    const found = await look(effect)
    signal.removeEventListener("abort", onAbort)

    expect(found).toHaveLength(1)
  })

  it("finds a listener that existed before, was removed and was added again", async () => {
    signal.addEventListener("abort", onAbort)
    const effect = Effect.sync(() => {
      signal.removeEventListener("abort", onAbort)
      signal.addEventListener("abort", onAbort)
    })

    const found = await look(effect)
    signal.removeEventListener("abort", onAbort)

    expect(found).toHaveLength(1)
  })

  it("ignores the timer of AbortSignal.timeout, which no code can clear", async () => {
    const effect = Effect.sync(() => AbortSignal.timeout(60_000))

    expect(await look(effect, patient)).toEqual([])
  })

  it("finds a fiber that still runs, and the function that the fiber is in", async () => {
    const waitForEver = Effect.fn("waitForEver")(function* () {
      return yield* Effect.never
    })
    let fiber: Fiber.Fiber<never> | undefined
    const effect = Effect.map(Effect.forkDetach(waitForEver()), (forked) => {
      fiber = forked
    })

    const found = await look(effect)
    await Effect.runPromise(Fiber.interrupt(fiber!))

    expect(found).toMatchObject([{ kind: "fiber", what: `fiber ${fiber!.id} in span "waitForEver"`, unref: false }])
    expect(found[0]!.madeAt[0]).toMatch(/^waitForEver \(.*Leaks\.test\.ts:\d+:\d+\)$/)
  })

  it("finds a child of its caller that still runs, and nothing for fibers that have ended", async () => {
    const ended = Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.yieldNow)
      yield* Fiber.join(fiber)
      yield* Effect.forkDetach(Effect.andThen(Effect.yieldNow, Effect.forkDetach(Effect.yieldNow)))
      yield* Effect.scoped(Effect.forkScoped(Effect.never))
    })

    expect(await look(Effect.forkChild(Effect.never))).toMatchObject([{ kind: "fiber" }])
    expect(await look(ended, patient)).toEqual([])
  })

  it("finds the timer of a sleeping fiber together with the fiber", async () => {
    let fiber: Fiber.Fiber<void> | undefined
    const napping = Effect.fn("napping")(function* () {
      yield* Effect.sleep("1 hour")
    })

    const found = await look(Effect.map(Effect.forkDetach(napping()), (forked) => void (fiber = forked)))
    await Effect.runPromise(Fiber.interrupt(fiber!))

    expect(found.map((leftOver) => leftOver.kind).toSorted()).toEqual(["fiber", "timer"])
    expect(found.every((leftOver) => leftOver.madeAt[0]?.startsWith("napping ("))).toBe(true)
  })

  it("waits for resources that are closing", async () => {
    const effect = Effect.promise(async () => {
      const server = createServer()
      const port = await listen(server)
      const socket = connect(port, "127.0.0.1")
      await once(socket, "connect")
      const worker = new Worker("", { eval: true })
      await once(worker, "online")
      socket.end()
      server.close()
      setTimeout(() => {}, 20)
    })

    expect(await look(effect, patient)).toEqual([])
  })

  it("reports a leftover worker, and not the ports of the worker", async () => {
    let worker: Worker | undefined
    const found = await look(
      Effect.sync(() => {
        worker = new Worker("setInterval(() => {}, 60_000)", { eval: true })
      })
    )
    await worker!.terminate()

    expect(found).toMatchObject([{ kind: "worker", unref: false }])
  })

  it("finds the resources that process.getActiveResourcesInfo lists more often than before", async () => {
    const before = process.getActiveResourcesInfo().length
    let timer: NodeJS.Timeout | undefined
    let server: Server | undefined
    const found = await look(
      Effect.promise(async () => {
        timer = setTimeout(() => {}, 60_000)
        server = createServer()
        await listen(server)
      })
    )
    const after = process.getActiveResourcesInfo()
    clearTimeout(timer)
    await closed(server!)

    expect(after).toEqual(expect.arrayContaining(["Timeout", "TCPServerWrap"]))
    expect(after.length - before).toBeLessThanOrEqual(found.length)
    expect(found.map((leftOver) => leftOver.kind)).toEqual(["timer", "handle"])
  })

  it("ends as the effect does if nothing is left", async () => {
    const failed = await Effect.runPromise(Effect.exit(Leaks.none(Effect.fail("no"))))

    expect(await Effect.runPromise(Leaks.none(Effect.succeed(1)))).toBe(1)
    expect(failed).toEqual(Exit.fail("no"))
  })

  it("keeps the failure of an effect that leaves something behind", async () => {
    let timer: NodeJS.Timeout | undefined
    const effect = Effect.suspend(() => {
      timer = setTimeout(() => {}, 60_000)
      return Effect.fail("no")
    })

    const exit = await Effect.runPromise(Effect.exit(effect.pipe(Leaks.none(brief))))
    clearTimeout(timer)

    expect(leftOversOf(exit)).toHaveLength(1)
    expect(Exit.isFailure(exit) && exit.cause.reasons[0]).toMatchObject({ error: "no" })
  })

  it("checks an interrupted effect, too", async () => {
    let timer: NodeJS.Timeout | undefined
    const effect = Effect.suspend(() => {
      timer = setTimeout(() => {}, 60_000)
      return Effect.never
    })

    const exit = await Effect.runPromise(
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Leaks.none(effect, brief), { startImmediately: true })
        yield* Fiber.interrupt(fiber)
        return yield* Fiber.await(fiber)
      })
    )
    clearTimeout(timer)

    expect(Exit.hasInterrupts(exit)).toBe(true)
    expect(leftOversOf(exit)).toMatchObject([{ kind: "timer" }])
  })

  it("assigns leftovers to the inner and the outer of two nested calls", async () => {
    const timers: Array<NodeJS.Timeout> = []
    const wait = (millis: number) => Effect.sync(() => void timers.push(setTimeout(() => {}, millis)))
    let within: ReadonlyArray<LeftOver.LeftOver> = []
    const effect = Effect.gen(function* () {
      yield* wait(50_000)
      within = leftOversOf(yield* Effect.exit(Leaks.none(wait(60_000), brief)))
      yield* wait(70_000)
    })

    const around = await look(effect)
    for (const timer of timers) clearTimeout(timer)

    expect(within.map((leftOver) => leftOver.what)).toEqual(["setTimeout of 60000 ms"])
    expect(around.map((leftOver) => leftOver.what)).toEqual([
      "setTimeout of 50000 ms",
      "setTimeout of 60000 ms",
      "setTimeout of 70000 ms"
    ])
  })

  it("assigns leftovers to the right one of two concurrent calls", async () => {
    const timers: Array<NodeJS.Timeout> = []
    const both = Deferred.makeUnsafe<void>()
    const leaky = Effect.gen(function* () {
      yield* Effect.yieldNow
      timers.push(setTimeout(() => {}, 60_000))
      yield* Deferred.succeed(both, undefined)
    })
    const clean = Effect.gen(function* () {
      yield* Deferred.await(both)
      yield* Effect.promise(async () => (await opened["a server"]!.open())())
    })

    const [first, second] = await Promise.all([look(leaky), look(clean, patient)])
    for (const timer of timers) clearTimeout(timer)

    expect(first).toMatchObject([{ kind: "timer" }])
    expect(second).toEqual([])
  })

  it("does not report leftovers that the option ignore accepts, and does not wait for them", async () => {
    let timer: NodeJS.Timeout | undefined
    const effect = Effect.sync(() => {
      timer = setInterval(() => {}, 60_000).unref()
    })

    const found = await look(effect, { ...patient, ignore: (leftOver) => leftOver.unref })
    clearInterval(timer)

    expect(found).toEqual([])
  })

  it("refuses an invalid duration", async () => {
    const error = await Effect.runPromise(Effect.flip(Leaks.none(Effect.void, { within: "Infinity" })))

    expect(error.reason).toMatchObject({ _tag: "InvalidOption", option: "within" })
    expect(error.message).toContain('"2 seconds"')
  })

  it("lists the leftovers in its error message", async () => {
    let timer: NodeJS.Timeout | undefined
    const effect = Effect.sync(() => {
      timer = setTimeout(() => {}, 60_000).unref()
    })

    const error = await Effect.runPromise(Effect.flip(Leaks.none(effect, brief)))
    clearTimeout(timer)

    expect(error.message).toMatch(
      /^One thing is still there .*\n- timer: setTimeout of 60000 ms \(unref'd\)\n {4}at .*Leaks/
    )
  })
})

/** The functions that a watch patches. */
const parts = (): ReadonlyArray<unknown> => [
  Object.getOwnPropertyDescriptor(EventTarget.prototype, "addEventListener")?.value,
  Object.getOwnPropertyDescriptor(AbortSignal.prototype, "onabort")?.["set"],
  fs.open,
  fs.openSync,
  fs.promises.open
]

describe("watch", () => {
  it("finds leftovers of code without Effect, and nothing after they are closed", async () => {
    using watch = Leaks.watch(brief)
    const close = await opened["a server"]!.open()

    const before = await watch.leftOvers()
    await close()
    const after = await watch.leftOvers()

    expect(before).toMatchObject([{ kind: "handle", what: "TCP server" }])
    expect(after).toEqual([])
  })

  it("also finds leftovers of a watched effect", async () => {
    using watch = Leaks.watch(brief)
    let timer: NodeJS.Timeout | undefined
    await look(Effect.sync(() => (timer = setTimeout(() => {}, 60_000))))

    const found = await watch.leftOvers()
    clearTimeout(timer)

    expect(found).toMatchObject([{ kind: "timer" }])
  })

  it("removes its patches when the last watch ends", () => {
    const before = parts()
    const outer = Leaks.watch()
    const inner = Leaks.watch()
    const during = parts()
    outer.end()
    outer.end()
    const stillDuring = parts()
    inner[Symbol.dispose]()

    expect(during.some((part, index) => part === before[index])).toBe(false)
    expect(stillDuring).toEqual(during)
    expect(parts()).toEqual(before)
  })
})

/** Makes the engine compile the function on another thread. */
const compileElsewhere = (code: () => unknown): void => {
  setFlagsFromString("--allow-natives-syntax")
  // Only code that is parsed from now on may use this syntax.
  const compile = runInNewContext(
    `(f) => { %PrepareFunctionForOptimization(f); f(); f(); %OptimizeFunctionOnNextCall(f, "concurrent"); f() }`
  ) as (code: () => unknown) => void
  compile(code)
  setFlagsFromString("--no-allow-natives-syntax")
}

const listenOnce = (signal: AbortSignal): void => signal.addEventListener("abort", () => {}, { once: true })

describe("listeners", () => {
  it("on the signal of a promise or a callback are not reported, because the signal is unreachable once the call has settled", async () => {
    const calls = [
      Effect.promise(async (signal) => {
        listenOnce(signal)
        await Promise.resolve()
      }),
      Effect.callback<void>((resume, signal) => {
        listenOnce(signal)
        queueMicrotask(() => resume(Effect.void))
      })
    ]
    for (const call of calls) expect(await look(Effect.andThen(call, Effect.sleep(1)))).toEqual([])
  })

  it("are found by a watch inside a count of listeners, and counted", async () => {
    using listeners = Leaks.watchListeners()
    const { signal } = new AbortController()
    expect(await look(Effect.sync(() => signal.addEventListener("abort", () => {})))).toMatchObject([
      { kind: "listener" }
    ])
    expect(listeners.count()).toBe(1)
  })
})

describe("watchListeners", () => {
  it("counts the added listeners that were not removed", () => {
    signal.addEventListener("abort", onAbort)
    const listeners = Leaks.watchListeners()
    const controller = new AbortController()
    const before = listeners.count()
    controller.signal.addEventListener("abort", onAbort)
    controller.signal.addEventListener("abort", () => {}, { once: true })
    signal.addEventListener("abort", onAbort)
    const during = listeners.count()
    controller.abort()
    controller.signal.removeEventListener("abort", onAbort)
    const after = listeners.count()
    listeners.end()
    signal.removeEventListener("abort", onAbort)

    expect([before, during, after]).toEqual([0, 2, 0])
  })

  it("removes its patches, and keeps the patches of a watch", () => {
    const before = parts()
    const listeners = Leaks.watchListeners()
    const watch = Leaks.watch()
    const during = parts()
    listeners.end()
    const stillDuring = parts()
    watch.end()

    expect(during.some((part, index) => part === before[index])).toBe(false)
    expect(stillDuring).toEqual(during)
    expect(parts()).toEqual(before)
  })
})
