/** The end of a thread, as its row says it. */
import type { ThreadRow } from "../store/threadStore.ts"
import type { ThreadEvent } from "../wire/protocol.ts"

/** Undefined for a thread that runs. */
export const endOf = (row: ThreadRow): ThreadEvent | undefined => {
  switch (row.state) {
    case "running":
      return undefined
    case "ended":
      return { _tag: "Ended", outcome: row.outcome ?? "" }
    case "killed":
      return { _tag: "Killed", reason: row.reason }
    case "cancelled":
      return { _tag: "Cancelled", reason: row.reason }
  }
}
