/**
 * Imports a module by its absolute URL. The file has a project of its own, in which TypeScript does not rewrite the paths of
 * imports: its code for that would be in each worker, and a URL needs none.
 */
export const importUrl = (url: string): Promise<unknown> => import(url)
