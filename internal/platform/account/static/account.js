// Passkeys (WebAuthn), and printing. A form with data-passkey asks data-options for a challenge, lets the authenticator sign it,
// fills in what it signed and sends itself: the page that answers is the server's, as for any other form.
"use strict";
(() => {
  document.addEventListener("click", e => { if (e.target.closest("[data-print]")) print(); });

  const words = document.getElementById("passkey-words")?.dataset;
  const forms = document.querySelectorAll("[data-passkey]");
  if (!words || !forms.length || !window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));
  const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // Said is an error whose message is for people already.
  class Said extends Error {}

  async function challenge(form) {
    let answer, body;
    try {
      answer = await fetch(form.dataset.options, { method: "POST", headers: { Accept: "application/json" } });
      body = await answer.json();
    } catch {
      throw new Said(words.offline);
    }
    if (answer.ok) return body;
    // Signed out meanwhile, or a fresh proof is due: the page itself leads to where that is mended.
    if (!body.message && (answer.status === 401 || answer.status === 403)) location.reload();
    throw new Said(body.message || words.failed);
  }

  function read(options) {
    const key = { ...options.publicKey };
    key.challenge = bytes(key.challenge);
    if (key.user) key.user = { ...key.user, id: bytes(key.user.id) };
    for (const list of ["allowCredentials", "excludeCredentials"]) {
      if (key[list]) key[list] = key[list].map(one => ({ ...one, id: bytes(one.id) }));
    }
    return key;
  }

  function write(credential) {
    const from = credential.response;
    const response = { clientDataJSON: text(from.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) if (from[part]) response[part] = text(from[part]);
    if (from.getTransports) response.transports = from.getTransports();
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      clientExtensionResults: credential.getClientExtensionResults(),
      ...(credential.authenticatorAttachment ? { authenticatorAttachment: credential.authenticatorAttachment } : {}),
    });
  }

  // A browser does one ceremony at a time: the one that waits in the name field gives way to the button.
  let waiting = null;

  async function ceremony(form, more = {}) {
    waiting?.abort();
    const own = waiting = new AbortController();
    const asked = await challenge(form);
    if (own.signal.aborted) throw new DOMException("", "AbortError");
    const publicKey = read(asked.options);
    const credential = form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey, signal: own.signal })
      : await navigator.credentials.get({ publicKey, signal: own.signal, ...more });
    form.elements.challenge.value = asked.id;
    form.elements.answer.value = write(credential);
    form.submit();
  }

  const say = error => error instanceof Said ? error.message
    : error.name === "NotAllowedError" || error.name === "AbortError" ? words.cancelled
    : error.name === "InvalidStateError" ? words.known
    : error.name === "SecurityError" ? words.host
    : error.name === "NotSupportedError" || error.name === "ConstraintError" ? words.unable
    : words.failed;

  for (const form of forms) {
    const button = form.querySelector("[data-passkey-do]"), line = form.querySelector("[data-passkey-error]");
    button.hidden = false;
    form.querySelector("[data-passkey-missing]")?.remove();
    button.addEventListener("click", async e => {
      e.preventDefault();
      // The passkey stands for the code; everything else has to be filled in.
      if (![...form.elements].every(el => el.name === "code" || el.reportValidity())) return;
      button.disabled = true;
      line.hidden = true;
      try {
        await ceremony(form);
      } catch (error) {
        line.textContent = say(error);
        line.hidden = false;
        button.disabled = false;
        button.focus();
        offer();
      }
    });
  }

  // Where the browser has it, the name field itself offers the passkeys that are there. A challenge lives five minutes, so a page
  // that stays open asks again; what goes wrong here is not worth a word, the button is still there.
  const conditional = document.querySelector("[data-passkey][data-conditional]");
  async function offer() {
    if (!conditional || !await PublicKeyCredential.isConditionalMediationAvailable?.()) return;
    ceremony(conditional, { mediation: "conditional" }).catch(() => {});
  }
  offer();
  setInterval(() => { if (!document.hidden && !conditional?.querySelector("[data-passkey-do]").disabled) offer(); }, 270000);
})();
