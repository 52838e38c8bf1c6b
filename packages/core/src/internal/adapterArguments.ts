/** The arguments that authors of adapters give. A wrong one is a defect that names the function of the `adapter` entry. */
import type * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { hasProperty, isObject } from "effect/Predicate"
import type { SpawnOptions } from "../Thread.ts"
import * as Argument from "./argument.ts"
import { readOr } from "./foreignValue.ts"
import { nodeOfGiven } from "./givenThreads.ts"
import type { Handle, ThreadNode } from "./threadNode.ts"

const aFiber = "a fiber"
const controls = "controls with requestStop and requestInterrupt"
const settings = "a Context"
const options = 'options such as { name: "encode" }'

export const node = <A, E>(operation: string, given: Handle<A, E>): ThreadNode<A, E> =>
  nodeOfGiven(`adapter.${operation}`, given)

export const callable = <F>(operation: string, given: F): F => checked(operation, given, isFunction, Argument.aFunction)

export const fiber = <A, E>(operation: string, given: Fiber.Fiber<A, E>): Fiber.Fiber<A, E> =>
  checked(operation, given, Fiber.isFiber, aFiber)

export const work = <A, E, R>(operation: string, given: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  checked(operation, given, Argument.isWork, Argument.anEffect)

/** The controls that `start` has made. */
export const made = <C>(operation: string, given: C): C =>
  checked(`${operation}'s start`, given, (u) => has(u, "requestStop") && has(u, "requestInterrupt"), controls)

export const context = <C>(operation: string, given: C): C =>
  checked(operation, given, (u) => readOr(() => hasProperty(u, "mapUnsafe"), false), settings)

export const spawnOptions = (operation: string, given: SpawnOptions | undefined): SpawnOptions | undefined =>
  checked(operation, given, (u) => u === undefined || isObject(u), options)

/** An object with functions of these names. */
export const withFunctions = <A>(operation: string, given: A, names: ReadonlyArray<string>): A =>
  checked(operation, given, (u) => names.every((name) => has(u, name)), `an object with ${names.join(" and ")}`)

export const flags = <A>(operation: string, given: A): A =>
  checked(
    operation,
    given,
    (u) => readOr(() => hasProperty(u, "checks") && u.checks instanceof Int32Array && u.checks.length > 0, false),
    "flags with checks, which is an Int32Array of one word"
  )

export const text = (operation: string, given: string): string =>
  checked(operation, given, (u) => typeof u === "string", "the name of a lease")

const isFunction = (u: unknown): boolean => typeof u === "function"

const has = (u: unknown, name: string): boolean =>
  readOr(() => isObject(u) && typeof (u as Readonly<Record<string, unknown>>)[name] === "function", false)

const checked = <A>(operation: string, given: A, isRight: (u: unknown) => boolean, takes: string): A => {
  if (isRight(given)) return given
  throw Argument.wrong(`adapter.${operation}`, given, takes)
}
