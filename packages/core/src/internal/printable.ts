/**
 * A text of other code for a line of a terminal or a log. Control characters, line separators and marks of text direction, which
 * could hide or forge the text beside them, become spaces.
 */
export const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Z}\p{Bidi_C}]/gu, " ")
