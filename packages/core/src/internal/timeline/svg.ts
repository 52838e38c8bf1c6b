/** Elements of SVG as text. Every text that goes into an element is escaped here. */
import { printable } from "./words.ts"

export type Attributes = Readonly<Record<string, string | number | undefined>>

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

export const escape = (text: string): string => printable(text).replace(/[&<>"']/g, (sign) => escapes[sign]!)

/** An element. `content` is SVG already. */
export const element = (name: string, attributes: Attributes, ...content: ReadonlyArray<string>): string => {
  let text = `<${name}`
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) text += ` ${key}="${typeof value === "number" ? pixels(value) : escape(value)}"`
  }
  return content.length === 0 ? `${text}/>` : `${text}>${content.join("")}</${name}>`
}

/** A tenth of a pixel is enough. */
const pixels = (value: number): string => String(Math.round(value * 10) / 10)

/** A rectangle with a text that a reader sees when the pointer rests on it. */
export const box = (x: number, y: number, width: number, height: number, style: string, tip?: string): string =>
  element("rect", { class: style, x, y, width, height }, ...(tip === undefined ? [] : [title(tip)]))

export const title = (text: string): string => element("title", {}, escape(text))

export const words = (x: number, y: number, style: string, text: string): string =>
  element("text", { class: style, x, y }, escape(text))

export const line = (style: string, x1: number, y1: number, x2: number, y2: number): string =>
  element("line", { class: style, x1, y1, x2, y2 })
