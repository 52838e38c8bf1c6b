/**
 * The file for the timeline of a program, which the environment variable QUIESCE_TIMELINE names. The ending of the name
 * decides the format: `.svg` a picture, `.json` a trace, `.txt` a text. In the name, `%p` is the number of the process.
 */
import * as Effect from "effect/Effect"
import { type Stats, statSync, writeFileSync } from "node:fs"
import { dirname, extname, resolve } from "node:path"
import { messageOf } from "@quiesce/core/internal"
import * as Timeline from "@quiesce/core/Timeline"
import * as ProcessError from "../../ProcessError.ts"

const variable = "QUIESCE_TIMELINE"

type Render = (timeline: Timeline.Timeline) => string

const renders: Readonly<Record<string, Render>> = {
  ".svg": Timeline.renderSvg,
  ".json": Timeline.renderTrace,
  ".txt": (timeline) => `${Timeline.render(timeline)}\n`
}

export interface TimelineFile {
  readonly path: string
  readonly render: Render
}

/** The file that the environment asks for. Throws if no timeline could be written there. */
export const requested = (): TimelineFile | undefined => {
  const given = process.env[variable]
  if (given === undefined || given === "") return undefined
  // The program may change its folder.
  const path = resolve(given.replaceAll("%p", String(process.pid)))
  const render = renders[extname(path).toLowerCase()]
  if (render === undefined)
    throw invalid(`it is "${given}". Name a file that ends in .svg, .json or .txt, such as timeline.svg`)
  const folder = dirname(path)
  if (!isFolder(folder)) throw invalid(`the folder "${folder}" does not exist. Make it, or name another file`)
  if (isFolder(path)) throw invalid(`"${path}" is a folder. Name a file in it`)
  if (statsOf(path)?.isFIFO() === true)
    throw invalid(`"${path}" is a pipe, and a write would wait for its reader. Name a file`)
  return { path, render }
}

const statsOf = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false })

const isFolder = (path: string): boolean => statsOf(path)?.isDirectory() === true

const invalid = (problem: string): ProcessError.ProcessError =>
  ProcessError.make({ _tag: "InvalidOption", option: `The environment variable ${variable}`, problem })

/** Writes the timeline. The result is the problem if that has failed: the end of a program does not depend on its timeline. */
export const write = ({ path, render }: TimelineFile, { read }: Timeline.Recording): string | undefined => {
  try {
    writeFileSync(path, render(Effect.runSync(read)))
    return undefined
  } catch (error) {
    return `the timeline was not written: ${messageOf(error)}`
  }
}
