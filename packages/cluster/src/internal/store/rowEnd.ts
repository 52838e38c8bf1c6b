/** The end of a thread, as its row says it. */
import type { ThreadRow } from "./threadStore.ts"

export type RowEnd =
  | { readonly _tag: "Ended"; readonly outcome: string }
  | { readonly _tag: "Killed"; readonly reason: string | null }
  | { readonly _tag: "Cancelled"; readonly reason: string | null }

/** Undefined for a thread that runs. */
export const endOf = (row: ThreadRow): RowEnd | undefined => {
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
