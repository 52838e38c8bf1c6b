import { describe, expect, it } from "@effect/vitest"
import * as Timeline from "@quiesce/core/Timeline"

const thread = (id: string, more: Partial<Timeline.RecordedThread> = {}): Timeline.RecordedThread => ({
  id,
  name: `thread ${id}`,
  parent: null,
  place: null,
  spawnedAt: 0,
  startedAt: 0,
  asked: [],
  cleaningAt: null,
  endedAt: 100,
  end: "Succeeded",
  why: null,
  ...more
})

const lease = (id: number, more: Partial<Timeline.RecordedLease> = {}): Timeline.RecordedLease => ({
  id,
  name: `lease ${id}`,
  thread: "1",
  acquiredAt: 10,
  releasingAt: 60,
  endedAt: 80,
  result: "released",
  error: null,
  ...more
})

const timeline = (more: Partial<Timeline.Timeline> = {}): Timeline.Timeline => ({
  startedAt: 1_700_000_000_000,
  until: 100,
  events: [],
  dropped: 0,
  threads: [],
  leases: [],
  ...more
})

/** A server that is stopped and interrupted, with a child that waits for its place. */
const example = timeline({
  threads: [
    thread("1", {
      name: "server",
      asked: [
        { rung: "stop", at: 40 },
        { rung: "interrupt", at: 50 }
      ],
      cleaningAt: 60,
      end: "Interrupted",
      why: "Received SIGTERM"
    }),
    thread("2", { name: "job", parent: "1", place: "worker-3", spawnedAt: 20, startedAt: 30, endedAt: 35 })
  ],
  leases: [lease(1, { name: "socket" })],
  events: [
    { _tag: "Asked", at: 40, thread: "1", rung: "stop", reason: "Shutdown", message: "Received SIGTERM", by: "main" },
    { _tag: "LeaseEnded", at: 80, thread: "1", lease: 1, result: "released", error: null }
  ]
})

/** The fields of an event of a trace that the format defines for its kind. */
interface TraceEvent {
  readonly name: string
  readonly cat: string
  readonly ph: string
  readonly ts: number
  readonly dur?: number
  readonly pid: number
  readonly tid: number
  readonly id?: string
  readonly args?: Readonly<Record<string, unknown>>
}

const traceOf = (of: Timeline.Timeline): ReadonlyArray<TraceEvent> =>
  (JSON.parse(Timeline.renderTrace(of)) as { readonly traceEvents: ReadonlyArray<TraceEvent> }).traceEvents

/**
 * Checks that each value is known. Each async pair is complete, has an id of its own and does not end before it begins.
 * Complete events nest.
 */
const expectValid = (events: ReadonlyArray<TraceEvent>): void => {
  for (const { args, name, ph, pid, tid, ts } of events) {
    expect(Object.values(args ?? {})).not.toContain(null)
    expect([typeof name, typeof ph, typeof pid, typeof tid]).toEqual(["string", "string", "number", "number"])
    expect(ts).toBeGreaterThanOrEqual(0)
  }
  const pairs = Map.groupBy(
    events.filter(({ ph }) => ph === "b" || ph === "e"),
    ({ cat, id }) => `${cat}/${id}`
  )
  for (const [begin, end, ...more] of pairs.values()) {
    expect([begin?.ph, end?.ph, more]).toEqual(["b", "e", []])
    expect([end!.name, end!.pid, end!.tid]).toEqual([begin!.name, begin!.pid, begin!.tid])
    expect(end!.ts).toBeGreaterThanOrEqual(begin!.ts)
  }
  for (const lane of Map.groupBy(
    events.filter(({ ph }) => ph === "X"),
    ({ tid }) => tid
  ).values()) {
    const [whole, ...parts] = lane
    let last = whole!.ts
    for (const { dur, ts } of parts) {
      expect(dur).toBeGreaterThan(0)
      expect(ts).toBeGreaterThan(last)
      last = ts + dur!
    }
    if (parts.length > 0) expect(last).toBeLessThan(whole!.ts + whole!.dur!)
  }
}

/** Throws unless the text is one whole, valid XML element. Returns the text of elements in order. */
const readXml = (xml: string): ReadonlyArray<string> => {
  const open: Array<string> = []
  const texts: Array<string> = []
  // eslint-disable-next-line no-control-regex
  expect(xml).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/)
  expect(xml.isWellFormed()).toBe(true)
  const parts = xml.matchAll(/<(\/?)([a-z]+)((?: [a-zA-Z0-9-]+="[^"<]*")*)(\/?)>|([^<]+)/gy)
  let length = 0
  for (const [whole, closes, name, attributes = "", isEmpty, text] of parts) {
    length += whole.length
    expect((attributes + (text ?? "")).replaceAll(/&(amp|lt|gt|quot|#39);/g, "")).not.toContain("&")
    if (text !== undefined) texts.push(text)
    else if (closes === "/") expect(open.pop()).toBe(name)
    else if (isEmpty !== "/") open.push(name!)
  }
  expect([length, open]).toEqual([xml.length, []])
  return texts
}

describe("Timeline.renderTrace", () => {
  it("has complete events that nest for threads, and pairs with ids for rungs, leases and finalizers", () => {
    const events = traceOf(example)
    expectValid(events)
    expect(
      events
        .filter(({ ph }) => ph !== "M")
        .map(({ dur, id, name, ph, tid, ts }) => [ph, ts, dur ?? null, tid, name, id ?? null])
    ).toEqual([
      ["X", 0, 100_000, 1, "server", null],
      ["X", 60_000, 39_999.999, 1, "cleans up", null],
      ["b", 40_000, null, 1, "stop", "rung 1 stop"],
      ["e", 50_000, null, 1, "stop", "rung 1 stop"],
      ["b", 50_000, null, 1, "interrupt", "rung 1 interrupt"],
      ["e", 100_000, null, 1, "interrupt", "rung 1 interrupt"],
      ["X", 20_000, 15_000, 2, "job", null],
      ["X", 20_000.001, 9999.998, 2, "waits to start", null],
      ["b", 10_000, null, 1, "lease socket", "lease 1"],
      ["e", 80_000, null, 1, "lease socket", "lease 1"],
      ["b", 60_000, null, 1, "finalizer socket", "finalizer 1"],
      ["e", 80_000, null, 1, "finalizer socket", "finalizer 1"],
      ["i", 40_000, null, 1, "asked: stop", null]
    ])
    expect(events.filter(({ ph }) => ph === "M").map(({ args, name, tid }) => [name, tid, args])).toEqual([
      ["process_name", 0, { name: "Quiesce" }],
      ["thread_name", 1, { name: "server #1" }],
      ["thread_sort_index", 1, { sort_index: 1 }],
      ["thread_name", 2, { name: "job #2" }],
      ["thread_sort_index", 2, { sort_index: 2 }]
    ])
  })

  it("is valid for threads without a length, from before the recording and without an end", () => {
    const rare = timeline({
      threads: [
        thread("1", { spawnedAt: 5, startedAt: 5, endedAt: 5, cleaningAt: 5 }),
        thread("2", { spawnedAt: -20, startedAt: -20, endedAt: null, end: null, cleaningAt: -10 }),
        thread("3", { startedAt: null, endedAt: 0, end: "NeverStarted" }),
        thread("4", { spawnedAt: 10, startedAt: 10.000_001, endedAt: 10.000_002, cleaningAt: 10.000_001 }),
        thread("5", { parent: "404", startedAt: null, endedAt: null, end: null })
      ],
      leases: [
        lease(1, { acquiredAt: -5, releasingAt: null, endedAt: null, result: null }),
        lease(2, { thread: "404" })
      ],
      dropped: 3
    })
    expectValid(traceOf(rare))
    expect(JSON.parse(Timeline.renderTrace(rare))).toMatchObject({
      displayTimeUnit: "ms",
      otherData: { startedAt: 1_700_000_000_000, droppedEvents: 3 }
    })
    expectValid(traceOf(timeline()))
  })
})

describe("Timeline.renderSvg", () => {
  it("draws a lane for each thread below its parent, with its rungs, leases, finalizers and end", () => {
    const svg = Timeline.renderSvg(example)
    const texts = readXml(svg)
    for (const text of [
      "2 threads in 100 ms",
      "server",
      "job · worker-3",
      "interrupted: Received SIGTERM",
      "succeeded"
    ]) {
      expect(texts).toContain(text)
    }
    expect(texts).toContain("Slowest finalizer: &quot;socket&quot; of &quot;server&quot;, 20 ms")
    expect(texts).toContain("slowest finalizer: socket, 20 ms")
    const lane = svg.slice(svg.indexOf("<g><title>server #1"), svg.indexOf("<g><title>job #2"))
    expect(
      [...lane.matchAll(/<(rect|line) class="([a-z ]+)" (?:x|x1)="([\d.]+)"(?: y="[\d.]+" width="([\d.]+)")?/g)].map(
        (found) => found.slice(2)
      )
    ).toEqual([
      ["running", "264", "290.4"],
      ["stop", "554.4", "72.6"],
      ["interrupt", "627", "72.6"],
      ["interrupt cleaning", "699.6", "290.4"],
      ["held", "336.6", undefined],
      ["lease", "699.6", "145.2"],
      ["ring", "697.6", "149.2"]
    ])
    const job = svg.slice(svg.indexOf("<g><title>job #2"))
    expect([...job.matchAll(/<rect class="([a-z ]+)" x="([\d.]+)"/g)].map((found) => found.slice(1))).toEqual([
      ["waiting", "409.2"],
      ["running", "481.8"]
    ])
  })

  it("lists the omitted events and threads: dropped events, and threads beyond the first 1,000", () => {
    const threads = Array.from({ length: 1234 }, (_, index) => thread(String(index + 1)))
    const events = [{ _tag: "Ended", at: 30, thread: "1", end: "Succeeded", why: null }] as const
    const texts = readXml(Timeline.renderSvg(timeline({ threads, events, dropped: 5678 })))
    expect(texts).toContain("1,234 threads in 100 ms")
    expect(texts).toContain("5,678 older events dropped: before 30 ms, threads and leases may be missing")
    expect(texts).toContain("234 further threads not shown")
    expect(texts).toContain("thread 1000")
    expect(texts).not.toContain("thread 1001")
  })

  it("has a picture of an empty timeline, and of threads without a length", () => {
    expect(readXml(Timeline.renderSvg(timeline({ until: 0 })))).toContain("0 threads in 0 ms")
    const short = [thread("1", { endedAt: 0 }), thread("2", { startedAt: null, endedAt: 0, end: "NeverStarted" })]
    readXml(Timeline.renderSvg(timeline({ until: 0, threads: short })))
  })

  it("bounds the marks of a lane, for any number of leases of the thread", () => {
    const leases = Array.from({ length: 20_000 }, (_, index) =>
      lease(index, { acquiredAt: index / 200, releasingAt: index / 200 + 0.001, endedAt: index / 200 + 0.002 })
    )
    expect(Timeline.renderSvg(timeline({ threads: [thread("1")], leases })).length).toBeLessThan(500_000)
  })

  it("has explicit colours for light and dark readers", () => {
    const svg = Timeline.renderSvg(example)
    expect(svg).toMatch(/svg\{color-scheme:light dark;--paper:#ffffff;/)
    expect(svg).toMatch(/@media \(prefers-color-scheme:dark\)\{svg\{--paper:#0d1117;/)
    expect(svg).toMatch(/<rect class="paper" x="0" y="0" width="1280"/)
  })
})

const hostile = [
  `<script>alert("1")</script>`,
  `]]>&amp;&#0;'"<!--`,
  "a\u0000b\u001b[31mred\u0007\r\n\ttab\u0085\u2028",
  "right\u202eto left, \u2066isolated",
  "lone \ud800 surrogate \ufffe\uffff",
  "x".repeat(10_000),
  "漢字".repeat(500),
  ""
]

describe("a hostile name", () => {
  it.each(hostile)(
    "%j is a part of no command in text, XML and JSON, and its length is bounded in the picture",
    (name) => {
      const of = timeline({
        threads: [thread("1", { name, place: name, why: name, end: "Failed" })],
        leases: [lease(1, { name, error: name, result: "failed" })],
        events: [
          { _tag: "Spawned", at: 0, thread: "1" },
          { _tag: "Asked", at: 1, thread: "1", rung: "stop", reason: "Stopped", message: name, by: name },
          { _tag: "Raised", at: 2, thread: "1", error: name },
          { _tag: "LeaseEnded", at: 3, thread: "1", lease: 1, result: "failed", error: name }
        ]
      })
      const shown = readXml(Timeline.renderSvg(of).replace(/<title>[^<]*<\/title>/g, ""))
      for (const text of shown.filter((text) => !text.startsWith("svg{"))) {
        expect(text.replaceAll(/&[a-z#0-9]+;/g, "&").length).toBeLessThan(150)
      }
      readXml(Timeline.renderSvg(of))
      const text = Timeline.render(of)
      expect(text.split("\n")).toHaveLength(6)
      expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      expectValid(traceOf(of))
    }
  )
})
