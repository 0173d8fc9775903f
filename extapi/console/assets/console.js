// The console's script: passkeys, and pages that are told of changes. Texts go into
// the page as text alone. Without it everything can be read.
"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const main = $("main");

  // On a phone the parts of the console do not all fit.
  const here = $("nav [aria-current]");
  if (here) here.scrollIntoView({ block: "nearest", inline: "center" });

  // ---- passkeys ----

  const toBytes = (text) => {
    const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
    return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  };
  const toText = (bytes) => {
    if (!bytes) return undefined;
    let binary = "";
    for (const byte of new Uint8Array(bytes)) binary += String.fromCharCode(byte);
    return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const withBytes = (descriptors) => (descriptors || []).map((d) => ({ ...d, id: toBytes(d.id) }));

  const assertion = async (options) => {
    const found = await navigator.credentials.get({
      publicKey: { ...options, challenge: toBytes(options.challenge), allowCredentials: withBytes(options.allowCredentials) },
    });
    return {
      id: found.id, rawId: toText(found.rawId), type: found.type, authenticatorAttachment: found.authenticatorAttachment || undefined,
      clientExtensionResults: found.getClientExtensionResults(),
      response: {
        authenticatorData: toText(found.response.authenticatorData), clientDataJSON: toText(found.response.clientDataJSON),
        signature: toText(found.response.signature), userHandle: toText(found.response.userHandle),
      },
    };
  };
  const attestation = async (options) => {
    const made = await navigator.credentials.create({
      publicKey: {
        ...options, challenge: toBytes(options.challenge), user: { ...options.user, id: toBytes(options.user.id) },
        excludeCredentials: withBytes(options.excludeCredentials),
      },
    });
    return {
      id: made.id, rawId: toText(made.rawId), type: made.type, authenticatorAttachment: made.authenticatorAttachment || undefined,
      clientExtensionResults: made.getClientExtensionResults(),
      response: {
        attestationObject: toText(made.response.attestationObject), clientDataJSON: toText(made.response.clientDataJSON),
        transports: made.response.getTransports ? made.response.getTransports() : [],
      },
    };
  };

  const ask = async (path, values) => {
    const response = await fetch(path, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(values) });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.error || "The signer did not answer as it should: load the page again.");
    return answer;
  };

  const put = (form, name, value) => {
    const field = $(`input[type=hidden][name=${name}]`, form) || form.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name }));
    field.value = value;
  };

  const plain = (error) => {
    switch (error.name) {
      case "NotAllowedError": return "No passkey was used: it was cancelled, or took too long.";
      case "InvalidStateError": return "This device has a passkey for you already.";
      case "SecurityError": return "The browser does not allow passkeys at this address.";
      default: return error.message || "It did not work.";
    }
  };

  // What is behind the # goes to no server with the address, and not into its history.
  let enrolment = "";
  if ($("form[data-passkey=enrol]")) {
    enrolment = location.hash.slice(1);
    history.replaceState(null, "", location.pathname);
  }

  const steps = {
    async login(form) {
      const { options } = await ask("/signin/passkey/begin", {});
      put(form, "answer", JSON.stringify(await assertion(options)));
    },
    async vote(form, values) {
      const { options } = await ask(`${form.getAttribute("action")}/begin`, values);
      put(form, "answer", JSON.stringify(await assertion(options)));
    },
    async enrol(form) {
      if (!enrolment) throw new Error("The link is not complete, or was used: open it again.");
      const { person, options } = await ask("/enrol/begin", { enrolment });
      say(form, `Enrolling a passkey of ${person}…`);
      put(form, "answer", JSON.stringify(await attestation(options)));
    },
  };

  const say = (form, text, wrong = false) => {
    const place = $("[data-said]", form);
    place.textContent = text;
    place.classList.toggle("wrong", wrong);
  };

  for (const form of all("form[data-passkey]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (form.dataset.busy) return;
      form.dataset.busy = "1";
      const buttons = all("button", form);
      const values = new FormData(form);
      const verdict = event.submitter && event.submitter.name === "verdict" ? event.submitter.value : "";
      if (verdict) values.set("verdict", verdict);
      buttons.forEach((b) => { b.disabled = true; });
      say(form, "Use your passkey…");
      try {
        if (!window.PublicKeyCredential) throw new Error("This browser knows no passkeys, or not at this address.");
        await steps[form.dataset.passkey](form, values);
        if (verdict) put(form, "verdict", verdict);
        say(form, "One moment…");
        form.submit();
      } catch (error) {
        say(form, plain(error), true);
        buttons.forEach((b) => { b.disabled = false; });
        delete form.dataset.busy;
      }
    });
  }
  // A form without passkeys is sent once.
  const vote = $("#vote:not([data-passkey])");
  if (vote) {
    vote.addEventListener("submit", (event) => {
      if (vote.dataset.busy) event.preventDefault();
      vote.dataset.busy = "1";
    });
  }

  // ---- times ----

  const span = (seconds) => {
    if (seconds <= 0) return "over";
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
    return `${Math.floor(seconds / 86400)} days`;
  };
  const times = () => {
    for (const time of all("time")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      if (!time.title) time.title = `${at.toLocaleString()} here`;
      if ("until" in time.dataset) {
        const text = span((at - Date.now()) / 1000);
        if (time.textContent !== text) time.textContent = text;
      }
    }
  };
  times();
  setInterval(times, 5000);

  // ---- changes ----

  if (!("live" in document.body.dataset) || !window.EventSource) return;
  const onList = main.dataset.page === "open";
  const light = $("#live");
  const title = document.title;
  const shine = (on, text) => {
    light.hidden = false;
    light.classList.toggle("on", on);
    if (light.textContent !== text) light.textContent = text;
  };

  const count = () => {
    for (const id of ["yours", "others", "approved"]) {
      const n = $(`#${id}`).children.length;
      $(`[data-count=${id}]`).textContent = n;
      const empty = $(`[data-empty=${id}]`);
      if (empty) empty.hidden = n > 0;
      const section = $(`[data-section=${id}]`);
      if (section) section.hidden = n === 0;
    }
    const yours = $("#yours").children.length;
    document.title = yours ? `(${yours}) ${title}` : title;
  };

  const rowOf = (t) => {
    const row = $("#row-template").content.cloneNode(true).firstElementChild;
    row.dataset.ticket = t.id;
    row.dataset.stamp = t.stamp;
    row.dataset.testid = `ticket-${t.id}`;
    for (const field of all("[data-field]", row)) {
      field.textContent = t[field.dataset.field] || "";
      if (!field.textContent) (field.parentElement.matches(".row-facts > span") ? field.parentElement : field).remove();
    }
    if (!t.to) $(".row-to", row).remove();
    $(".row-title", row).href = `/tickets/${encodeURIComponent(t.id)}`;
    const when = $(".row-when", row);
    if (t.state === "open") {
      const time = $("time", when);
      time.dateTime = t.deadline;
      time.textContent = t.left;
    } else {
      when.replaceChildren(Object.assign(document.createElement("span"), { className: `state state-${t.state}`, textContent: t.state }));
    }
    return row;
  };

  const changed = (t) => {
    const old = $(`[data-ticket="${CSS.escape(t.id)}"]`, main);
    if (old && old.dataset.stamp === t.stamp) return;
    const place = t.state === "approved" ? "approved" : t.group;
    const list = $(`#${place}`);
    const focused = old && old.contains(document.activeElement);
    const row = list ? rowOf(t) : null;
    if (row && old && old.parentElement === list) old.replaceWith(row);
    else {
      if (old) old.remove();
      if (row) list.append(row);
    }
    if (focused) (row ? $(".row-title", row) : main).focus();
    const said = old ? `${t.title} is ${t.state}` : `New: ${t.title}${t.amount ? `, ${t.amount}` : ""}`;
    $("#announce").textContent = said;
    count();
    times();
  };

  // A page that was left open shows a ticket as it was: it says so, and does not take
  // away what somebody has typed.
  const aged = () => {
    const comment = $("#comment");
    if ($("form[data-busy]")) return;
    if (!comment || !comment.value) location.reload();
    else $("#changed").hidden = false;
  };

  let source = null;
  let retry = 0;
  const listen = () => {
    if (source) return;
    source = new EventSource("/events");
    source.addEventListener("marks", (event) => {
      retry = 0;
      shine(true, "live");
      const { marks } = JSON.parse(event.data);
      if (onList) {
        if (marks !== main.dataset.marks) {
          const shown = new Map(all("[data-ticket]", main).map((row) => [row.dataset.ticket, row.dataset.stamp]));
          const now = marks ? marks.split(" ").map((m) => m.split(":")) : [];
          if (now.length !== shown.size || now.some(([id, stamp]) => shown.get(id) !== stamp)) reloadOnce();
        }
      } else {
        const mark = marks.split(" ").find((m) => m.startsWith(`${main.dataset.ticket}:`));
        const waits = /^(open|approved)-/.test(main.dataset.stamp);
        if (waits ? mark !== `${main.dataset.ticket}:${main.dataset.stamp}` : mark) aged();
      }
    });
    source.addEventListener("ticket", (event) => {
      const t = JSON.parse(event.data);
      if (onList) changed(t);
      else if (t.id === main.dataset.ticket && t.stamp !== main.dataset.stamp) aged();
    });
    source.addEventListener("again", () => { quiet(); listen(); });
    source.addEventListener("ended", () => { quiet(); shine(false, "signed out"); });
    source.addEventListener("error", () => {
      const over = source.readyState === EventSource.CLOSED;
      quiet();
      shine(false, over ? "not live" : "connecting");
      retry = Math.min(retry + 1, 6);
      setTimeout(() => { if (!document.hidden || onList) listen(); }, 1000 * 2 ** retry);
    });
  };
  const quiet = () => { if (source) source.close(); source = null; };

  // More tickets than a page has would make it load itself again and again.
  const reloadOnce = () => {
    const last = Number(sessionStorage.getItem("reloaded") || 0);
    if (Date.now() - last < 20000) return;
    sessionStorage.setItem("reloaded", String(Date.now()));
    location.reload();
  };

  // Browsers have few connections to a site: a ticket that nobody looks at has none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && !onList) quiet();
    else if (!document.hidden) listen();
  });
  window.addEventListener("pagehide", quiet);
  if (onList) count();
  listen();
})();
