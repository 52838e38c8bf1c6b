/** The reason that a token shows while the message with the real reason can't be delivered. See the entry `adapter`. */
import * as CancelReason from "../CancelReason.ts"

export const pendingReason: CancelReason.CancelReason = /* @__PURE__ */ CancelReason.interrupted({
  message: "Cancelled from outside; the reason arrives when the thread yields"
})
