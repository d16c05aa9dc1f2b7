// Downloads a file of this server without leaving the page.

/** @param {string} path */
export function download(path) {
  const link = document.createElement("a");
  link.href = path;
  // A server that refuses the file must not replace the page.
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}
