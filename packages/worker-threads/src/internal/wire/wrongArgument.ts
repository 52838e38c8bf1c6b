/** The error of a wrong argument, which a user without types may give. */
import { textOf } from "@quiesce/core/internal"
import * as WorkerError from "../../WorkerError.ts"

/** `option` names the argument. `wanted` says what belongs there, and how to get one. */
export const wrongArgument = (option: string, given: unknown, wanted: string): WorkerError.WorkerError =>
  WorkerError.make({ _tag: "InvalidOption", option, problem: `${textOf(given)} is not ${wanted}` })
