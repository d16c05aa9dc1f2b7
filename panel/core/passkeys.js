// Passkeys in the browser: creates them, and proves with them who the user is. The graph gives and takes texts in JSON.

import { mutate } from "./query.js";
import { translate } from "./texts.js";

/** True if this browser knows passkeys. */
export const hasPasskeys = () => typeof PublicKeyCredential === "function" && Boolean(navigator.credentials);

/** Bytes from base64url, as WebAuthn writes them in JSON. @param {string} text */
export function decodeBase64Url(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}

/** Bytes as base64url, without padding. @param {ArrayBuffer} buffer */
export function encodeBase64Url(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
  return btoa(characters.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Create a passkey, and store it under a name. Returns the payload of the mutation. @param {string} name @returns {Promise<any>} */
export async function addPasskey(name) {
  const begun = await mutate("BeginPasskeyRegistration");
  if (begun.errors.length) return begun;
  const credential = await ask((options) => navigator.credentials.create({ publicKey: readCreationOptions(options) }), begun.options);
  return typeof credential === "string" ? mutate("AddPasskey", { credential, name }) : credential;
}

/** Sign in with a passkey. The browser lets the user choose one. Returns the payload of the mutation. @returns {Promise<any>} */
export async function signInWithPasskey() {
  const begun = await mutate("BeginPasskeySignIn");
  if (begun.errors.length) return begun;
  const credential = await ask((options) => navigator.credentials.get({ publicKey: readRequestOptions(options) }), begun.options);
  return typeof credential === "string" ? mutate("SignInWithPasskey", { credential }) : credential;
}

/** Prove in the session that it is the user. Returns the payload of the mutation. @returns {Promise<any>} */
export async function reauthenticateWithPasskey() {
  const begun = await mutate("BeginPasskeyReauthentication");
  if (begun.errors.length) return begun;
  const credential = await ask((options) => navigator.credentials.get({ publicKey: readRequestOptions(options) }), begun.options);
  return typeof credential === "string" ? mutate("Reauthenticate", { passkey: credential }) : credential;
}

/** The credential as a text, or a payload that says why there is none. @param {(options: any) => Promise<Credential | null>} run @param {string} options */
async function ask(run, options) {
  try {
    return JSON.stringify(writeCredential(await run(JSON.parse(options))));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return { errors: [{ code: "PASSKEY", message: explainFailure(error.name), field: null }] };
  }
}

/** @param {string} name */
function explainFailure(name) {
  switch (name) {
    case "InvalidStateError":
      return translate("This device has a passkey of your login already.");
    case "SecurityError":
      return translate("Passkeys do not work at this address of the site.");
    case "NotSupportedError":
      return translate("This device cannot keep such a passkey.");
    default:
      return translate("No passkey was used. Try again.");
  }
}

const readDescriptors = (/** @type {any[]} */ list = []) => list.map((descriptor) => ({ ...descriptor, id: decodeBase64Url(descriptor.id) }));

function readCreationOptions(options) {
  const user = { ...options.user, id: decodeBase64Url(options.user.id) };
  return { ...options, user, challenge: decodeBase64Url(options.challenge), excludeCredentials: readDescriptors(options.excludeCredentials) };
}

function readRequestOptions(options) {
  return { ...options, challenge: decodeBase64Url(options.challenge), allowCredentials: readDescriptors(options.allowCredentials) };
}

/** A credential as WebAuthn writes it in JSON. @param {any} credential */
function writeCredential({ id, rawId, type, authenticatorAttachment, response }) {
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const parts = names.filter((name) => response[name]).map((name) => [name, encodeBase64Url(response[name])]);
  const transports = response.getTransports ? { transports: response.getTransports() } : {};
  return { id, rawId: encodeBase64Url(rawId), type, authenticatorAttachment, response: { ...Object.fromEntries(parts), ...transports }, clientExtensionResults: {} };
}
