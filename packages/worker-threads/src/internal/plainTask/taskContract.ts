/** The contract of the generic worker of `runTask`. A thrown error keeps its name and its own properties. */
import { messageOf } from "@quiesce/core/internal"
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"

/** `own` has the properties that structured clone drops from an error. */
const Thrown: Schema.TaggedStruct<
  "Thrown",
  { readonly value: typeof Schema.Unknown; readonly own: typeof Schema.Unknown }
> = Schema.TaggedStruct("Thrown", { value: Schema.Unknown, own: Schema.Unknown })
const BadModule: Schema.TaggedStruct<"BadModule", { readonly problem: typeof Schema.String }> = Schema.TaggedStruct(
  "BadModule",
  { problem: Schema.String }
)

export type Thrown = typeof Thrown.Type
export type BadModule = typeof BadModule.Type

type Payload = { readonly url: typeof Schema.String; readonly input: typeof Schema.Unknown }

const payload: Payload = { url: Schema.String, input: Schema.Unknown }

type Run = Rpc.Rpc<
  "Run",
  Schema.Struct<Payload>,
  typeof Schema.Unknown,
  Schema.Union<readonly [typeof Thrown, typeof BadModule]>
>

export const Tasks: RpcGroup.RpcGroup<Run> = RpcGroup.make(
  Rpc.make("Run", { payload, success: Schema.Unknown, error: Schema.Union([Thrown, BadModule]) })
)

const canCross = (value: unknown): boolean => {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

/** The thrown value, or its text if it can't be cloned. */
export const thrown = (value: unknown): Thrown => {
  if (!(value instanceof Error)) return { _tag: "Thrown", value: canCross(value) ? value : messageOf(value), own: {} }
  const own = Object.entries(Object.assign({ name: value.name }, value)).filter(([, property]) => canCross(property))
  const plain = canCross(value) ? value : new Error(value.message)
  return { _tag: "Thrown", value: plain, own: Object.fromEntries(own) }
}

export const rethrown = ({ value, own }: Thrown): unknown =>
  value instanceof Error && typeof own === "object" ? Object.assign(value, own) : value
