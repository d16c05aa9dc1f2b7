// Archiving and taking out of the archive, for contacts, products and expenses.

import { ConfirmButton } from "../../components/dialog.js";
import { mutate } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html } from "../../core/view.js";

/** The filter of a list by the archive. Entries in use are shown first. */
export const archiveFilter = () => ({
  name: "archive",
  label: translate("In use or archived"),
  all: translate("In use"),
  isOrder: true,
  options: [
    ["archived", translate("Archived")],
    ["all", translate("All")],
  ],
});

/** The part of the filter for the graph. @param {string | undefined} value */
export const archiveVariables = (value) => (value === "all" ? {} : { isArchived: value === "archived" });

/** @param {{ operation: string, input: Record<string, any>, name: string, isArchived: boolean, consequence: string, can: any }} properties */
export function ArchiveButton({ operation, input, name, isArchived, consequence, can }) {
  const run = () => mutate(operation, { ...input, isArchived: !isArchived });
  if (isArchived)
    return html`<${ConfirmButton}
      label=${translate("Take out of the archive")}
      description=${translate("Take out of the archive: %(name)s", { name })}
      consequence=${translate("“%(name)s” can be used again.", { name })}
      can=${can}
      run=${run}
    />`;
  return html`<${ConfirmButton} label=${translate("Archive")} description=${translate("Archive %(name)s", { name })} consequence=${consequence} can=${can} run=${run} />`;
}
