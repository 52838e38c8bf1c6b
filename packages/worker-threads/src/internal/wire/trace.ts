/** The place of a caller's span in its trace. The span of the handler in the worker is a child of that span. */

export interface Trace {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

/** How long an id may be. The ids of OpenTelemetry have 32 and 16 characters. */
const maxId = 128

const isId = (u: unknown): boolean => typeof u === "string" && u.length > 0 && u.length <= maxId

export const isTrace = (u: unknown): u is Trace =>
  typeof u === "object" &&
  u !== null &&
  Object.keys(u).length === 3 &&
  "traceId" in u &&
  isId(u.traceId) &&
  "spanId" in u &&
  isId(u.spanId) &&
  "sampled" in u &&
  typeof u.sampled === "boolean"
