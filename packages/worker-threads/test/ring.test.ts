import { isDeepStrictEqual } from "node:util"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BadWords } from "../src/internal/wire/plainData.ts"
import * as Ring from "../src/internal/wire/ring.ts"
import { AdaptiveSpin } from "../src/internal/worker/adaptiveSpin.ts"

const open = () => {
  const buffer = Ring.make()
  return { buffer, writer: new Ring.RousingWriter(buffer), reader: new Ring.RingReader(buffer) }
}

/** The most bytes of an entry. */
const most = 32_767 * 4

const take = (reader: Ring.RingReader): Array<unknown> => {
  const taken: Array<unknown> = []
  while (reader.read((first, second, third, value) => taken.push([first, second, third, value]), 7) > 0);
  return taken
}

const problemOf = (f: () => unknown): unknown => {
  try {
    f()
    return undefined
  } catch (thrown) {
    return thrown
  }
}

const plain = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.integer(),
    fc.double(),
    fc.string({ unit: "binary" }),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.uint8Array({ maxLength: 300 }),
    fc.nat(40_000).map((length) => new Uint8Array(length).fill(length))
  ),
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    tie("leaf"),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie("value"), { maxKeys: 5, noNullPrototype: true })
  )
})).value

/** The words of a text, two characters each. */
const text = (characters: string): ReadonlyArray<number> => [
  characters.length,
  ...Array.from(
    { length: Math.ceil(characters.length / 2) },
    (_, index) => characters.charCodeAt(2 * index) | (characters.charCodeAt(2 * index + 1) << 16)
  )
]

const objectPrototype = <A extends object>(value: A): A => Object.setPrototypeOf(value, Object.prototype) as A

const resizable = (): ArrayBuffer => new ArrayBuffer(8, { maxByteLength: 16 })

describe("RingWriter.write", () => {
  it("writes each value as structured clone would, in order, for any number of turns of the ring", () => {
    const { writer, reader } = open()
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer(), plain), { minLength: 1, maxLength: 20 }), (entries) => {
        const written = entries.filter(([id, value]) => writer.write(id, 1, 2, value))
        const expected = written.map(([id, value]) => [id, 1, 2, structuredClone(value)])
        // Vitest compares bytes separately, which takes ten times as long. A failure shows the entries.
        expect(isDeepStrictEqual(take(reader), expected)).toBe(true)
      }),
      { numRuns: 2_000 }
    )
  })

  it.each([
    ["is taken elsewhere", 1],
    ["is refused elsewhere", new Map()],
    ["throws", Object.defineProperty({}, "thrown", { enumerable: true, get: () => JSON.parse("no value") })]
  ])("keeps a value whole whose getter writes a value that %s", (_, inner) => {
    const { writer, reader } = open()
    const results: Array<boolean> = []
    const value = {
      before: "before",
      get own() {
        results.push(writer.write(9, 9, 9, inner))
        return [1, 2, 3]
      },
      after: "after"
    }
    expect(writer.write(1, 2, 3, value)).toBe(true)
    expect(writer.write(4, 5, 6, "next")).toBe(true)
    expect(results).toEqual([false])
    expect(take(reader)).toEqual([
      [1, 2, 3, { before: "before", own: [1, 2, 3], after: "after" }],
      [4, 5, 6, "next"]
    ])
  })

  it("takes small plain values", () => {
    const { writer, reader } = open()
    const values = [
      1,
      -0,
      "ab",
      "a",
      [1, [2]],
      { a: { b: [] } },
      undefined,
      null,
      [new Uint8Array(3)],
      new Uint8Array(0)
    ]
    for (const value of values) expect(writer.write(1, 2, 3, value)).toBe(true)
    expect(take(reader)).toEqual(values.map((value) => [1, 2, 3, value]))
  })

  it("refuses values that only structured clone preserves", () => {
    const { writer, reader } = open()
    class Point {
      readonly x = 1
    }
    const twice = {}
    const circle: Array<unknown> = []
    circle.push(circle)
    const refused = [
      [10n, Symbol("s"), () => {}, new Date(), new Map(), new Int8Array(1), new Point(), Object.create(null)],
      [[twice, twice], circle, [[[[[1]]]]], Object.assign([], { length: 3 }), Object.assign([1], { own: 1 })],
      [JSON.parse('{ "__proto__": 1 }'), "x".repeat(5_000)]
    ].flat(1)
    for (const value of refused) expect(writer.write(1, 2, 3, value)).toBe(false)
    expect(take(reader)).toEqual([])
  })

  it.each([
    ["few", 0, 4_060, 13],
    ["many", 130_000, most, 1],
    ["some", 4_000, most, 997]
  ])("takes %s bytes, from %d to %d, at each place of the ring", (_, from, to, step) => {
    const { writer, reader } = open()
    const bytes = Uint8Array.from({ length: to }, (_, index) => index * 7)
    for (let length = from; length <= to; length += step) {
      const value = bytes.slice(0, length)
      expect(writer.write(length, 0, 0, value)).toBe(true)
      const [taken] = take(reader) as [[number, number, number, Uint8Array]]
      expect(Buffer.compare(taken[3], value)).toBe(0)
      expect([taken[3].constructor, taken[3].buffer.byteLength]).toEqual([Uint8Array, length])
    }
  })

  it("takes no more bytes than half of the ring has", () => {
    const { writer, reader } = open()
    expect(writer.write(0, 0, 0, new Uint8Array(most + 1))).toBe(false)
    // Each array needs a word for its alignment.
    const half = () => new Uint8Array(most / 2 - 2)
    expect(writer.write(0, 0, 0, [half(), half(), new Uint8Array(1)])).toBe(false)
    expect(take(reader)).toEqual([])
    expect(writer.write(0, 0, 0, [half(), 1, half()])).toBe(true)
    expect(take(reader)).toEqual([[0, 0, 0, [half(), 1, half()]]])
  })

  it("has as much room for other values beside many bytes as without them, and for all values that fit", () => {
    const { writer, reader } = open()
    const others = Array.from({ length: 7 }, () => "x".repeat(250))
    const [large, small] = [new Uint8Array(100_000).fill(7), new Uint8Array(30_000).fill(9)]
    const values = [[others, large], [large, others], { large, others, small }, [[large], 1, [small]]]
    for (let round = 0; round < 5; round++) {
      for (const value of values) {
        expect(writer.write(1, 2, 3, value)).toBe(true)
        expect(take(reader)).toEqual([[1, 2, 3, value]])
      }
      expect(writer.write(1, 2, 3, [large, ...others, ...others])).toBe(false)
    }
  })

  it("accepts bytes while they fit, and few words while those fit", () => {
    const { writer, reader } = open()
    const value = new Uint8Array(100_000)
    let large = 0
    while (writer.write(large, 0, 0, value)) large++
    let small = 0
    while (writer.write(small, 0, 0, 1)) small++
    expect([large, small > 1000]).toEqual([2, true])
    expect(take(reader).length).toBe(large + small)
    expect(writer.write(0, 0, 0, value)).toBe(true)
  })

  it("refuses bytes whose buffer only structured clone preserves", () => {
    const { writer, reader } = open()
    const whole = new Uint8Array(8)
    const detached = new Uint8Array(8)
    structuredClone(detached, { transfer: [detached.buffer] })
    const refused = [
      [whole.subarray(4), whole.subarray(0, 4), [whole, new Uint8Array(whole.buffer)], Buffer.alloc(8), detached],
      [new Uint8Array(new SharedArrayBuffer(8)), new Uint8Array(new ArrayBuffer(8, { maxByteLength: 16 }))],
      [Object.setPrototypeOf(new Uint16Array(4), Uint8Array.prototype) as unknown, Object.create(Uint8Array.prototype)],
      [Object.defineProperty(new Uint8Array(2), "length", { value: 9 })],
      [new Uint8Array(Object.assign(new SharedArrayBuffer(8), { resizable: false, detached: false }))],
      [new Uint8Array(Object.defineProperty(resizable(), "resizable", { value: false }))],
      [new Uint8Array(Object.setPrototypeOf(resizable(), Object.prototype) as ArrayBuffer)]
    ].flat(1)
    for (const value of refused) expect(writer.write(1, 2, 3, value)).toBe(false)
    expect(take(reader)).toEqual([])
  })

  it("refuses bytes at once if their number needs more than 32 bits", () => {
    const { writer } = open()
    // The system allocates this memory only when it is used.
    expect(writer.write(1, 2, 3, new Uint8Array(2 ** 32))).toBe(false)
    expect(writer.write(1, 2, 3, new Uint8Array(8))).toBe(true)
  })

  it("accepts no value that structured clone changes or refuses", () => {
    const { writer, reader } = open()
    const others: ReadonlyArray<unknown> = [
      // Holes, also beside properties that compensate for their number.
      Array(1),
      Object.assign(Array(2), { 0: 1, own: 2 }),
      // Proxies can't be cloned.
      new Proxy({ a: 1 }, {}),
      new Proxy([1], {}),
      (function () {
        return arguments
      })(),
      ...[new Date(0), new Error("a"), Object(1), Object("a"), /a/, [1], new Uint8Array(1)].map(objectPrototype),
      ...[new Map([[1, 2]]), new Set([1]), new ArrayBuffer(1), Promise.resolve(1), () => {}].map(objectPrototype),
      Object.assign(objectPrototype(new Map()), { own: 1 }),
      Object.setPrototypeOf({ 0: 1, length: 1 }, Array.prototype) as unknown,
      Object.defineProperty({}, "a", {
        enumerable: true,
        get: () => {
          throw new Error("not to be read")
        }
      })
    ]
    for (const value of others) {
      expect(writer.write(1, 2, 3, value)).toBe(false)
      expect(writer.write(1, 2, 3, { inside: [value] })).toBe(false)
    }
    expect(take(reader)).toEqual([])
  })

  it("refuses a value while there is no room, until an entry was read", () => {
    const { writer, reader } = open()
    let count = 0
    while (writer.write(count, 0, 0, "x".repeat(100))) count++
    expect(count).toBeGreaterThan(100)
    expect(take(reader).length).toBe(count)
    expect(writer.write(0, 0, 0, 1)).toBe(true)
  })
})

describe("RingWriter.mustWake", () => {
  it("is true for the first write while the reader sleeps", () => {
    const { writer, reader } = open()
    writer.write(1, 0, 0, "a")
    expect([writer.mustWake(), writer.mustWake()]).toEqual([true, false])
    expect(take(reader).length).toBe(1)
    writer.write(2, 0, 0, "b")
    expect(writer.mustWake()).toBe(false)
    expect(reader.sleep()).toBe(false)
    expect(take(reader).length).toBe(1)
    expect(reader.sleep()).toBe(true)
    writer.write(3, 0, 0, "c")
    expect(writer.mustWake()).toBe(true)
  })
})

describe("AdaptiveSpin.watch", () => {
  it("keeps the reader awake if an entry comes, otherwise lets it sleep, and then skips some watches", () => {
    const { reader, writer } = open()
    const spin = new AdaptiveSpin(reader)
    writer.write(1, 0, 0, "one")
    expect(spin.watch(false)).toBe(true)
    writer.write(2, 0, 0, "two")
    expect(writer.mustWake()).toBe(false)
    expect(spin.watch(true)).toBe(true)
    expect(take(reader).length).toBe(2)
    expect(spin.watch(true)).toBe(false)
    expect(writer.mustWake()).toBe(true)
    writer.write(3, 0, 0, "three")
    expect(spin.watch(false)).toBe(false)
  })
})

describe("RingReader.block", () => {
  it("does not block if there is an entry, and leaves the reader awake", () => {
    const { reader, writer } = open()
    writer.write(1, 0, 0, "one")
    expect(writer.mustWake()).toBe(true)
    expect(reader.block(0, Infinity, () => false)).toBe(true)
    expect(take(reader)).toEqual([[1, 0, 0, "one"]])
    expect(writer.mustWake()).toBe(false)
  })

  it("does not block if the writer has roused the reader for something else than an entry", () => {
    const { reader, writer } = open()
    expect(writer.rouse()).toBe(false)
    const roused: Array<boolean> = []
    expect(reader.block(0, Infinity, () => roused.push(writer.rouse(), writer.rouse()) > 0)).toBe(true)
    expect(roused).toEqual([true, false])
    expect(reader.sleep()).toBe(true)
  })

  it("ends without a message when an entry comes", () => {
    const { reader, writer } = open()
    const woken: Array<boolean> = []
    const write = () => writer.write(1, 0, 0, "one") && woken.push(writer.mustWake()) > 1
    expect(reader.block(0, Infinity, write)).toBe(false)
    expect(woken).toEqual([false])
    expect(take(reader)).toEqual([[1, 0, 0, "one"]])
  })

  it("ends after its time, and the reader can sleep", () => {
    const { reader, writer } = open()
    expect(reader.block(0, 1, () => false)).toBe(false)
    expect(reader.sleep()).toBe(true)
    writer.write(1, 0, 0, "one")
    expect(writer.mustWake()).toBe(true)
  })
})

describe("RingReader.read", () => {
  it("throws BadWords for words that no writer has written", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2, max: 600 }), { minLength: 8, maxLength: 200 }), (noise) => {
        const { buffer, reader } = open()
        const words = new Int32Array(buffer)
        words.set(noise, 48)
        Atomics.store(words, 16, noise.length)
        expect(problemOf(() => take(reader))).toSatisfy((thrown) => thrown === undefined || thrown instanceof BadWords)
      })
    )
  })

  it.each([-1, 2 ** 17, 2 ** 31 - 1, -(2 ** 31), 65_536 + 16])("throws BadWords for an end at %d", (end) => {
    const { buffer, reader } = open()
    Atomics.store(new Int32Array(buffer), 16, end)
    expect(problemOf(() => take(reader))).toBeInstanceOf(BadWords)
  })

  const [nothing, string, array, object] = [1, 6, 7, 8]
  const forged: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
    ["a property that would be the prototype", [object, 1, ...text("__proto__"), array, 0]],
    ["an array longer than any that is written", [array, 513, ...Array.from({ length: 513 }, () => nothing)]],
    [
      "an object with more properties than any that is written",
      [object, 513, ...Array.from({ length: 513 * 2 }, () => 0)]
    ],
    ["a text longer than any that is written", [string, 513, ...Array.from({ length: 257 }, () => 0)]],
    ["a negative length", [array, -1]],
    ["more levels than are written", [array, 1, array, 1, array, 1, array, 1, array, 0]],
    ["a kind that there is not", [9]],
    ["an array that ends too early", [array, 2, nothing]]
  ]
  it.each(forged)("throws BadWords for %s", (_, value) => {
    const { buffer, reader } = open()
    const words = new Int32Array(buffer)
    words.set([1, 0, 0, ...value], 48)
    Atomics.store(words, 16, 3 + value.length)
    expect(problemOf(() => take(reader))).toBeInstanceOf(BadWords)
  })

  it("has removed an entry before it passes the entry on", () => {
    const { writer, reader } = open()
    writer.write(1, 0, 0, "a")
    writer.write(2, 0, 0, "b")
    const fails = () =>
      reader.read(() => {
        throw new Error("the receiver fails")
      }, 7)
    expect(fails).toThrow("the receiver fails")
    expect(take(reader)).toEqual([[2, 0, 0, "b"]])
  })
})
