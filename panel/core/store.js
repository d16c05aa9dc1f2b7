// A value that several components read. A change renders all of them again.

import { useEffect, useState } from "./view.js";

/** @template T */
export class Store {
  /** @param {T} value */
  constructor(value) {
    this.value = value;
    /** @type {Set<(value: T) => void>} */
    this.listeners = new Set();
  }

  /** Replace the value and tell all listeners. @param {T} value */
  set(value) {
    this.value = value;
    for (const listener of this.listeners) listener(value);
  }

  /** Call a function after each change. Returns a function that ends this. @param {(value: T) => void} listener */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }
}

/** The value of a store, as a hook. @template T @param {Store<T>} store @returns {T} */
export function useStore(store) {
  const [, render] = useState({});
  useEffect(() => {
    // An effect of a child can have changed the value before this subscription.
    render({});
    return store.subscribe(() => render({}));
  }, [store]);
  return store.value;
}
