// The library for views: Preact with htm, so that templates are plain JavaScript and no build step is needed.

import { h } from "/static/vendor/preact.js";
import htm from "/static/vendor/htm.js";

export { createContext, Fragment, render } from "/static/vendor/preact.js";
export { useCallback, useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState } from "/static/vendor/hooks.js";

/** A template tag: html`<p>${text}</p>`. Texts are escaped. */
export const html = htm.bind(h);
