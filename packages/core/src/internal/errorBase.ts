/**
 * The base of the tagged errors of this project.
 *
 * Node sends an error that nobody catches from a worker to its host. It copies all properties, also of the prototypes. The
 * property that makes an error of Effect an Effect has functions, which can't be copied, and the host would get an object
 * without a message.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** As `Data.TaggedError`. The error reaches the host of a worker with its message, its tag and its reason. */
export const errorBase = <Tag extends string>(tag: Tag): ReturnType<typeof Data.TaggedError<Tag>> => {
  const Base = Data.TaggedError(tag)
  // Effect looks only whether the property is there.
  Object.defineProperty(Base.prototype, Effect.TypeId, { value: {} })
  return Base
}
