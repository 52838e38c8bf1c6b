/** The error of a wrong argument, which a user without types may give. */
import { textOf } from "@quiesce/core/internal"
import * as ProcessError from "../ProcessError.ts"

/** `option` names the argument. `wanted` says what belongs there, and how to get one. */
export const wrongArgument = (option: string, given: unknown, wanted: string): ProcessError.ProcessError =>
  ProcessError.make({ _tag: "InvalidOption", option, problem: `${textOf(given)} is not ${wanted}` })
