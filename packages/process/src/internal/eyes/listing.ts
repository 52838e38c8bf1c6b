/** The processes of this user that may be looked at. */
import * as Table from "../child/processTable.ts"
import * as Target from "./target.ts"

export const all = async (): Promise<ReadonlyArray<Target.Target>> =>
  (await Table.numbers())
    .filter((pid) => pid !== process.pid)
    .map(Target.find)
    .flatMap((found) => (found._tag === "Usable" ? [found.target] : []))
