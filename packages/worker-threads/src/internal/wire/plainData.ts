/**
 * Small plain data as words of memory: numbers, strings, booleans, null, undefined, bytes (`Uint8Array`), and arrays and
 * objects of these. The reader gets the same value as from structured clone.
 *
 * All other values are refused and have to be cloned: large, deep and non-plain values, and values that contain an
 * object twice, because only a clone keeps its identity. Bytes are not large until they fill half of the ring.
 *
 * Words are written and read in sequence in a ring, whose length is a power of two. `at` goes on beyond the ring's end.
 */
import { types } from "node:util"

/** The word before each value. These are single constants, because a minifier writes their numbers in place of them. */
const undefinedTag = 0
const nullTag = 1
const falseTag = 2
const trueTag = 3
const integerTag = 4
const numberTag = 5
const stringTag = 6
const arrayTag = 7
const objectTag = 8
const bytesTag = 9

const maxDepth = 4
const maxLength = 512

const float = new Float64Array(1)
const halves = new Int32Array(float.buffer)

/** A position in a ring of words, which are the last part of their memory. */
class Cursor {
  at = 0
  /** The position where the words end, or the room. */
  end = 0
  protected readonly words: Int32Array
  /** The same memory. */
  protected readonly bytes: Uint8Array
  protected readonly mask: number

  constructor(words: Int32Array) {
    this.words = words
    this.bytes = new Uint8Array(words.buffer, words.byteOffset)
    this.mask = words.length - 1
  }

  /** Where the next bytes start. The engine copies bytes of shared memory one by one if they are not aligned. */
  protected get start(): number {
    return ((this.at + (this.at & 1)) & this.mask) * 4
  }
}

/**
 * The methods return false if the value is refused or there is no room. The words written until then are to be ignored.
 */
export class Writer extends Cursor {
  /** How many words of bytes there may be, besides the room. */
  left = 0
  /** The first object of the value, and a list of the others. Most values are one object, which needs no list. */
  #first: object | undefined
  #others: Array<object> | undefined

  word(word: number): boolean {
    if (this.at >= this.end) return false
    this.words[this.at++ & this.mask] = word
    return true
  }

  value(value: unknown): boolean {
    this.#first = this.#others = undefined
    return this.#any(value, maxDepth)
  }

  /** False if the value contains the object twice. */
  #isNew(value: object): boolean {
    if (value === this.#first || this.#others?.includes(value) === true) return false
    if (this.#first === undefined) this.#first = value
    else (this.#others ??= []).push(value)
    return true
  }

  #any(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case "number":
        return this.#number(value)
      case "string":
        return this.word(stringTag) && this.#string(value)
      case "boolean":
        return this.word(value ? trueTag : falseTag)
      case "undefined":
        return this.word(undefinedTag)
      case "object":
        return value === null ? this.word(nullTag) : this.#object(value, depth)
      case "bigint":
      case "symbol":
      case "function":
        return false
    }
  }

  #number(value: number): boolean {
    const integer = value | 0
    // Minus zero is none.
    if (integer === value && (integer !== 0 || 1 / value > 0)) return this.word(integerTag) && this.word(integer)
    float[0] = value
    return this.word(numberTag) && this.word(halves[0]!) && this.word(halves[1]!)
  }

  #string(value: string): boolean {
    const { length } = value
    if (length > maxLength || !this.word(length)) return false
    const last = length - 1
    for (let i = 0; i < last; i += 2) {
      if (!this.word(value.charCodeAt(i) | (value.charCodeAt(i + 1) << 16))) return false
    }
    return length % 2 === 0 || this.word(value.charCodeAt(last))
  }

  #object(value: object, depth: number): boolean {
    if (depth === 0 || !this.#isNew(value)) return false
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Array.prototype) return this.#array(value, depth)
    if (prototype === Uint8Array.prototype) return isPlainBytes(value) && this.#copy(value)
    if (prototype !== Object.prototype || isExotic(value)) return false
    const keys = Object.keys(value)
    if (keys.length > maxLength || !this.word(objectTag) || !this.word(keys.length)) return false
    for (const key of keys) {
      // Assigning this name in the reader would set a prototype, not a property.
      if (key === "__proto__" || !this.#string(key)) return false
      if (!this.#any((value as Readonly<Record<string, unknown>>)[key], depth - 1)) return false
    }
    return true
  }

  #copy(value: Uint8Array): boolean {
    const { buffer, length } = value
    // With one for the alignment.
    const words = Math.ceil(length / 4) + 1
    if (words > this.left || !this.#isNew(buffer)) return false
    if (!this.word(bytesTag) || !this.word(length)) return false
    const { bytes, start: from } = this
    const first = Math.min(length, bytes.length - from)
    // The methods of the value itself may have been replaced.
    bytes.set(new Uint8Array(buffer, 0, first), from)
    bytes.set(new Uint8Array(buffer, first))
    this.at += words
    this.end += words
    this.left -= words
    return true
  }

  /** One with holes, or with properties of its own, is not plain. */
  #array(value: object, depth: number): boolean {
    if (!Array.isArray(value) || types.isProxy(value)) return false
    const { length } = value as ReadonlyArray<unknown>
    if (length > maxLength || Object.keys(value).length !== length) return false
    if (!this.word(arrayTag) || !this.word(length)) return false
    for (let index = 0; index < length; index++) {
      const element: unknown = value[index]
      if (element === undefined && !Object.hasOwn(value, index)) return false
      if (!this.#any(element, depth - 1)) return false
    }
    return true
  }
}

/**
 * Whether a value is bytes of the usual class that are all the bytes of their buffer, because a clone copies the whole
 * buffer. A shared buffer stays shared, a resizable one stays resizable, and a detached one can't be cloned.
 */
export const isPlainBytes = (value: unknown): value is Uint8Array<ArrayBuffer> => {
  // Properties of these names would hide the real ones.
  if (!types.isUint8Array(value) || Object.hasOwn(value, "buffer") || Object.hasOwn(value, "length")) return false
  const { length } = value
  const buffer = value.buffer as ArrayBuffer
  return (
    Object.getPrototypeOf(value) === Uint8Array.prototype &&
    // The properties of this prototype throw for a shared buffer.
    Object.getPrototypeOf(buffer) === ArrayBuffer.prototype &&
    Reflect.ownKeys(buffer).length === 0 &&
    !buffer.resizable &&
    !buffer.detached &&
    buffer.byteLength === length
  )
}

/**
 * Whether a clone treats an object with the usual prototype in another way: a proxy, the `arguments` of a function, and
 * a value of a built-in class with a changed prototype.
 */
const isExotic = (value: object): boolean =>
  types.isProxy(value) ||
  // Values of the oldest classes keep their tag when their prototype is changed.
  Object.prototype.toString.call(value) !== "[object Object]" ||
  ArrayBuffer.isView(value) ||
  types.isMap(value) ||
  types.isSet(value) ||
  types.isAnyArrayBuffer(value) ||
  types.isPromise(value)

/** The words were not written by a `Writer`. */
export class BadWords extends Error {}

/** Throws `BadWords` if the words were not written by a `Writer`. */
export class Reader extends Cursor {
  word(): number {
    if (this.at >= this.end) throw new BadWords("bad end")
    return this.words[this.at++ & this.mask]!
  }

  value(depth: number = maxDepth): unknown {
    const kind = this.word()
    switch (kind) {
      case undefinedTag:
        return undefined
      case nullTag:
        return null
      case falseTag:
        return false
      case trueTag:
        return true
      case integerTag:
        return this.word()
      case numberTag:
        halves[0] = this.word()
        halves[1] = this.word()
        return float[0]
      case stringTag:
        return this.#string()
      case arrayTag:
        return Array.from({ length: this.#length(depth) }, () => this.value(depth - 1))
      case objectTag:
        return this.#object(depth)
      case bytesTag:
        return this.#copy(depth)
    }
    throw new BadWords("bad kind")
  }

  #length(depth: number, most: number = maxLength): number {
    const length = this.word()
    if (length < 0 || length > most || depth === 0) throw new BadWords("bad length")
    return length
  }

  #string(): string {
    const length = this.#length(1)
    let text = ""
    for (let i = 0; i < length; i += 2) {
      const word = this.word()
      text += String.fromCharCode(word & 0xff_ff)
      if (i + 1 < length) text += String.fromCharCode(word >>> 16)
    }
    return text
  }

  #copy(depth: number): Uint8Array {
    // The length itself takes a word, and the alignment another one.
    const length = this.#length(depth, (this.end - this.at - 2) * 4)
    const copy = new Uint8Array(length)
    const { bytes, start: from } = this
    const first = bytes.subarray(from, from + length)
    copy.set(first)
    copy.set(bytes.subarray(0, length - first.length), first.length)
    this.at += ((length + 3) >> 2) + 1
    return copy
  }

  #object(depth: number): object {
    const object: Record<string, unknown> = {}
    for (let left = this.#length(depth); left > 0; left--) {
      const key = this.#string()
      if (key === "__proto__") throw new BadWords("bad name")
      object[key] = this.value(depth - 1)
    }
    return object
  }
}
