// The resident's chat: sends without leaving the page and shows what comes in.
// Without this script the same forms work as plain forms.

const TEXT_CHARACTERS = 10000;
const PICTURE_BYTES = 5 * 1024 * 1024;
const FOLD_AFTER = 600;
const FOLD_AT = 300;
const SILENCE_MS = 30000;

const $ = (id) => document.getElementById(id);
const log = $("log");
const box = $("text");
const waiting = $("waiting");
const offline = $("offline");
const newer = $("newer");

// Kept in this tab until it is closed: what is being written, and what could not be sent.
function keep(name, value) {
  try {
    if (value && value.length) sessionStorage.setItem(name, JSON.stringify(value));
    else sessionStorage.removeItem(name);
  } catch {
    // Storage is switched off or full: it lives as long as the page.
  }
}

function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

// ---- the view

const nearEnd = () =>
  document.documentElement.scrollHeight - window.scrollY - window.innerHeight < 160;

function scrollToEnd() {
  window.scrollTo(0, document.documentElement.scrollHeight);
  newer.hidden = true;
}

// A long line is shown from its beginning, a short one at the end of the page.
function reveal(line) {
  const edges = getComputedStyle(document.documentElement);
  const room = window.innerHeight - parseFloat(edges.scrollPaddingTop) - parseFloat(edges.scrollPaddingBottom);
  if (line.offsetHeight > room) line.scrollIntoView({ block: "start" });
  else scrollToEnd();
}

function grow() {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 4}px`;
}

function complain(text) {
  $("error").textContent = text;
  if (text) box.setAttribute("aria-invalid", "true");
  else box.removeAttribute("aria-invalid");
}

function retireOptions() {
  const held = document.activeElement;
  for (const button of log.querySelectorAll(".options button:enabled")) button.disabled = true;
  for (const link of log.querySelectorAll(".options a")) link.removeAttribute("href");
  return held.disabled;
}

let waitTimer;
function expectReply() {
  clearTimeout(waitTimer);
  waitTimer = setTimeout(() => {
    const follow = nearEnd();
    waiting.textContent = "正在看…";
    if (follow) scrollToEnd();
    waitTimer = setTimeout(replyCame, 20000);
  }, 800);
}

function replyCame() {
  clearTimeout(waitTimer);
  waiting.textContent = "";
}

// ---- sending

const unsent = new Map();
const saveUnsent = () =>
  keep("jxw-unsent", [...unsent.values()].filter((m) => !m.file).map(({ id, text, menuId }) => ({ id, text, menuId })));

function makeId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function post(url, body, seconds, onprogress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.timeout = seconds * 1000;
    if (onprogress) request.upload.onprogress = onprogress;
    request.onload = () =>
      resolve({
        status: request.status,
        answer: request.response || {},
        again: Number(request.getResponseHeader("Retry-After")) || 3,
      });
    request.onerror = reject;
    request.ontimeout = reject;
    request.send(body);
  });
}

function show(message) {
  const line = $("mine").content.firstElementChild.cloneNode(true);
  const text = message.text || "";
  const long = text.length > FOLD_AFTER;
  line.querySelector(".text").textContent = long ? text.slice(0, FOLD_AT) : text;
  if (long) {
    line.querySelector(".more").hidden = false;
    line.querySelector(".count").textContent = text.length - FOLD_AT;
    line.querySelector(".rest").textContent = text.slice(FOLD_AT);
  }
  line.querySelector(".picture").hidden = !message.file;
  line.querySelector(".again").addEventListener("click", () => enqueue(message));
  message.line = line;
  log.append(line);
}

function mark(message, word, failed = false) {
  const follow = nearEnd();
  if (word === "已发") log.querySelectorAll(".sent .word").forEach((old) => old.replaceChildren());
  message.line.classList.toggle("sent", word === "已发");
  message.line.classList.toggle("failed", failed);
  message.line.querySelector(".word").textContent = word;
  message.line.querySelector(".again").hidden = !failed;
  message.line.querySelector("progress").hidden = !message.file || word !== "发送中";
  if (follow) scrollToEnd();
}

function transmit(message) {
  if (!message.file) {
    const fields = { text: message.text, menu_id: message.menuId, message_id: message.id };
    return post("/chat/send", new URLSearchParams(fields), 20);
  }
  const form = new FormData();
  form.append("message_id", message.id);
  form.append("image", message.file);
  const bar = message.line.querySelector("progress");
  return post("/chat/images", form, 150, (event) => {
    if (event.lengthComputable) bar.value = event.loaded / event.total;
  });
}

async function deliver(message) {
  mark(message, "发送中");
  const heard = after;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const { status, answer, again } = await transmit(message);
      if (status === 200) {
        message.line.querySelector("time").textContent = answer.clock;
        mark(message, "已发");
        unsent.delete(message.id);
        saveUnsent();
        if (after === heard) expectReply();
        if (answer.fresh || offline.textContent) listen();
        return;
      }
      // Too fast: what the line promises, that nothing has to be sent again, is kept here.
      if (status === 429 && attempt < 3) {
        mark(message, answer.error);
        await new Promise((resolve) => setTimeout(resolve, again * 1000));
        continue;
      }
      mark(message, `没发出去。${answer.error || ""}`, true);
    } catch {
      mark(message, "没发出去", true);
    }
    return;
  }
}

// One after the other, so that they arrive in the order in which they were written.
let queue = Promise.resolve();
function enqueue(message) {
  mark(message, "发送中");
  queue = queue.then(() => deliver(message));
}

function send(message) {
  complain("");
  const lostFocus = retireOptions();
  message.id = makeId();
  unsent.set(message.id, message);
  show(message);
  saveUnsent();
  enqueue(message);
  scrollToEnd();
  if (lostFocus) message.line.focus({ preventScroll: true });
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = box.value.trim();
  if (!text) return complain("还没有写字。请先打字，再按发送。");
  if (text.length > TEXT_CHARACTERS) return complain("这段太长了，最多 10,000 字。请只说最要紧的。");
  box.value = "";
  keep("jxw-draft", "");
  grow();
  return send({ text, menuId: "" });
});

box.addEventListener("keydown", (event) => {
  // 229: the key belongs to an input method that is still composing.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  $("say").requestSubmit();
});

box.addEventListener("input", () => {
  complain("");
  keep("jxw-draft", box.value);
  grow();
});

log.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  send({ text: button.value, menuId: event.target.elements.menu_id.value });
});

$("picture").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  if (file.size > PICTURE_BYTES) complain("这张图太大了。请截图再发，5 MB 以内。");
  else send({ file });
});

// ---- hearing

let source;
let after = Number(log.dataset.after);
let silence;
let comeBack;

function watch() {
  clearTimeout(silence);
  silence = setTimeout(() => {
    offline.textContent = offline.dataset.words;
    listen();
  }, SILENCE_MS);
}

function alive() {
  offline.textContent = "";
  watch();
}

function take(event) {
  alive();
  const number = Number(event.lastEventId);
  if (number <= after) return;
  after = number;
  replyCame();
  const follow = nearEnd();
  if (event.data.includes('class="options"')) retireOptions();
  log.insertAdjacentHTML("beforeend", event.data);
  const line = log.lastElementChild;
  if (follow) reveal(line);
  else newer.hidden = false;
  if (reading) speak(line);
}

// The conversation was erased. The newest line stays in sight: it may be the receipt.
function forget() {
  alive();
  after = 0;
  [...log.children].slice(0, -1).forEach((line) => line.remove());
}

// Only the tab in front holds a connection: browsers allow few of them to one host.
function listen() {
  clearTimeout(comeBack);
  if (source) source.close();
  watch();
  source = new EventSource(`/chat/events?after=${after}`);
  source.addEventListener("open", alive);
  source.addEventListener("beat", alive);
  source.addEventListener("gone", forget);
  source.addEventListener("message", take);
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) comeBack = setTimeout(listen, 5000);
  });
}

function rest() {
  clearTimeout(comeBack);
  clearTimeout(silence);
  if (source) source.close();
}

window.addEventListener("online", listen);
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
newer.addEventListener("click", () => {
  reveal(log.lastElementChild);
  newer.hidden = true;
});
window.addEventListener("scroll", () => nearEnd() && (newer.hidden = true), { passive: true });

// ---- reading aloud, only where a voice is on the device: a text never leaves for one

let reading = false;
let voice;

function speak(line) {
  const text = [...line.querySelectorAll(".text, .rest, .options button")].map((part) => part.textContent);
  const utterance = new SpeechSynthesisUtterance(text.join("。"));
  utterance.voice = voice;
  utterance.lang = voice.lang;
  utterance.rate = 0.9;
  speechSynthesis.speak(utterance);
}

function findVoice() {
  voice = speechSynthesis.getVoices().find((v) => v.localService && /^(zh|cmn)/i.test(v.lang));
  $("read").hidden = !voice;
}

if ("speechSynthesis" in window) {
  findVoice();
  speechSynthesis.addEventListener("voiceschanged", findVoice);
  $("read").addEventListener("click", () => {
    reading = !reading;
    $("read").setAttribute("aria-pressed", String(reading));
    speechSynthesis.cancel();
    const heard = log.querySelectorAll(".bot, .officer");
    if (reading && heard.length) speak(heard[heard.length - 1]);
  });
}

// ---- beginning

// What sticks to an edge must not cover what is scrolled to.
const bars = [...document.querySelectorAll(".top, .urgent, .composer")];
const stuck = (name) => {
  const bar = bars.find((b) => b.matches(name) && b.offsetHeight && getComputedStyle(b).position === "sticky");
  return bar ? bar.offsetHeight : 0;
};
const measure = () => {
  const style = document.documentElement.style;
  style.setProperty("--top", `${stuck(".top, .urgent") + 8}px`);
  style.setProperty("--bottom", `${stuck(".composer") + 8}px`);
  if (nearEnd()) scrollToEnd();
};
if ("ResizeObserver" in window) {
  const observer = new ResizeObserver(measure);
  bars.forEach((bar) => observer.observe(bar));
}
measure();

if (!box.value) box.value = kept("jxw-draft") || "";
grow();
for (const message of kept("jxw-unsent") || []) {
  unsent.set(message.id, message);
  show(message);
  mark(message, "没发出去", true);
}
scrollToEnd();
if (!document.hidden) listen();
