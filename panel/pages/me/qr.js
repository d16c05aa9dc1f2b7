// QR codes (ISO/IEC 18004) of short texts: bytes, versions 1 to 15 with error correction L, and one mask for all.

const CORRECTION_BYTES = [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22];
const BLOCKS = [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6];
/** The format bits of level L with mask 0, and of the generator of its check. */
const FORMAT = 0b01_000;
const FORMAT_GENERATOR = 0b101_0011_0111;
const FORMAT_MASK = 0b101_0100_0001_0010;
const VERSION_GENERATOR = 0b1_1111_0010_0101;
/** The polynomial of the field of 256 elements. */
const FIELD = 0x11d;

/** The modules of a code, row by row, true if dark. Null if the text is too long. @param {string} text @returns {boolean[][] | null} */
export function encodeQr(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const version = BLOCKS.findIndex((_, index) => headerBits(index + 1) + bytes.length * 8 <= dataBytes(index + 1) * 8) + 1;
  if (version === 0) return null;
  const { modules, isFixed } = drawPatterns(version);
  drawBits(modules, isFixed, correct(version, pack(version, bytes)));
  return modules;
}

const headerBits = (/** @type {number} */ version) => 4 + (version < 10 ? 8 : 16);
const sizeOf = (/** @type {number} */ version) => version * 4 + 17;
const dataBytes = (/** @type {number} */ version) => allBytes(version) - at(CORRECTION_BYTES, version - 1) * at(BLOCKS, version - 1);
const at = (/** @type {number[]} */ list, /** @type {number} */ index) => list[index] ?? 0;

/** The number of bytes that a version holds, with those of error correction. @param {number} version */
function allBytes(version) {
  const alignments = version === 1 ? 0 : Math.floor(version / 7) + 2;
  const alignmentModules = version === 1 ? 0 : (25 * alignments - 10) * alignments - 55;
  return Math.floor(((16 * version + 128) * version + 64 - alignmentModules - (version < 7 ? 0 : 36)) / 8);
}

/** The data with its header, filled up. @param {number} version @param {number[]} bytes */
function pack(version, bytes) {
  const bits = [toBits(0b0100, 4), toBits(bytes.length, headerBits(version) - 4), ...bytes.map((byte) => toBits(byte, 8))].join("");
  const capacity = dataBytes(version);
  const padded = bits.padEnd(Math.min(bits.length + 4, capacity * 8), "0");
  const packed = (padded.padEnd(Math.ceil(padded.length / 8) * 8, "0").match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
  for (let fill = 0xec; packed.length < capacity; fill ^= 0xec ^ 0x11) packed.push(fill);
  return packed;
}

const toBits = (/** @type {number} */ number, /** @type {number} */ length) => number.toString(2).padStart(length, "0");

/** Add error correction to each block, and mix the blocks. @param {number} version @param {number[]} bytes */
function correct(version, bytes) {
  const count = at(BLOCKS, version - 1);
  const length = Math.floor(bytes.length / count);
  const longBlocks = bytes.length % count;
  /** @type {number[][]} */
  const blocks = [];
  for (let index = 0, start = 0; index < count; index++) {
    const end = start + length + (index >= count - longBlocks ? 1 : 0);
    blocks.push(bytes.slice(start, end));
    start = end;
  }
  const corrections = blocks.map((block) => divide(block, at(CORRECTION_BYTES, version - 1)));
  return [...interleave(blocks), ...interleave(corrections)];
}

/** @param {number[][]} blocks */
function interleave(blocks) {
  const length = Math.max(...blocks.map((block) => block.length));
  return Array.from({ length }, (_, index) => blocks.flatMap((block) => block.slice(index, index + 1))).flat();
}

/** The rest of a block after the division by the Reed-Solomon generator. @param {number[]} block @param {number} degree */
function divide(block, degree) {
  let generator = [1];
  for (let index = 0, root = 1; index < degree; index++, root = multiply(root, 2)) {
    const raised = [...generator, 0];
    generator = raised.map((factor, place) => factor ^ multiply(at(generator, place - 1), root));
  }
  const rest = [...block, ...Array(degree).fill(0)];
  for (let index = 0; index < block.length; index++) {
    const factor = rest[index];
    for (let place = 0; place < generator.length; place++) rest[index + place] ^= multiply(at(generator, place), factor);
  }
  return rest.slice(block.length);
}

/** @param {number} left @param {number} right */
function multiply(left, right) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) product = (product << 1) ^ ((product >> 7) * FIELD) ^ (((right >> bit) & 1) * left);
  return product;
}

/** The patterns that a version always has. @param {number} version */
function drawPatterns(version) {
  const size = sizeOf(version);
  const modules = Array.from({ length: size }, () => /** @type {boolean[]} */ (Array(size).fill(false)));
  const isFixed = Array.from({ length: size }, () => /** @type {boolean[]} */ (Array(size).fill(false)));
  const draw = (/** @type {number} */ row, /** @type {number} */ column, /** @type {boolean} */ isDark) => {
    if (row < 0 || column < 0 || row >= size || column >= size) return;
    /** @type {boolean[]} */ (modules[row])[column] = isDark;
    /** @type {boolean[]} */ (isFixed[row])[column] = true;
  };
  const drawRings = (/** @type {number} */ row, /** @type {number} */ column, /** @type {number} */ radius, /** @type {number[]} */ lightRings) => {
    for (let down = -radius; down <= radius; down++)
      for (let right = -radius; right <= radius; right++) draw(row + down, column + right, !lightRings.includes(Math.max(Math.abs(down), Math.abs(right))));
  };
  for (let index = 0; index < size; index++) {
    draw(6, index, index % 2 === 0);
    draw(index, 6, index % 2 === 0);
  }
  for (const row of alignmentPlaces(version)) for (const column of alignmentPlaces(version)) if (!isCorner(row, column, size)) drawRings(row, column, 2, [1]);
  for (const [row, column] of /** @type {[number, number][]} */ ([[3, 3], [3, size - 4], [size - 4, 3]])) drawRings(row, column, 4, [2, 4]);
  drawFormat(draw, size);
  if (version >= 7) drawVersion(draw, size, version);
  return { modules, isFixed };
}

/** @param {number} version */
function alignmentPlaces(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, index) => version * 4 + 10 - (count - 2 - index) * step)];
}

const isCorner = (/** @type {number} */ row, /** @type {number} */ column, /** @type {number} */ size) => [`6 6`, `6 ${size - 7}`, `${size - 7} 6`].includes(`${row} ${column}`);

/** The rest of bits after a division by a generator. @param {number} value @param {number} generator @param {number} degree */
function check(value, generator, degree) {
  let rest = value;
  for (let index = 0; index < degree; index++) rest = (rest << 1) ^ ((rest >> (degree - 1)) * generator);
  return rest;
}

function drawFormat(draw, size) {
  const bits = ((FORMAT << 10) | check(FORMAT, FORMAT_GENERATOR, 10)) ^ FORMAT_MASK;
  for (let index = 0; index < 15; index++) {
    const isDark = ((bits >> index) & 1) === 1;
    const place = index < 6 ? index : index < 8 ? index + 1 : 14 - index + (index === 8 ? 1 : 0);
    if (index < 8) draw(place, 8, isDark);
    else draw(8, place, isDark);
    if (index < 8) draw(8, size - 1 - index, isDark);
    else draw(size - 15 + index, 8, isDark);
  }
  draw(size - 8, 8, true);
}

function drawVersion(draw, size, version) {
  const bits = (version << 12) | check(version, VERSION_GENERATOR, 12);
  for (let index = 0; index < 18; index++) {
    const isDark = ((bits >> index) & 1) === 1;
    const [far, near] = [size - 11 + (index % 3), Math.floor(index / 3)];
    draw(near, far, isDark);
    draw(far, near, isDark);
  }
}

/** Fill the free modules with the bits, in columns of two from the right, with mask 0. @param {boolean[][]} modules @param {boolean[][]} isFixed @param {number[]} bytes */
function drawBits(modules, isFixed, bytes) {
  const size = modules.length;
  let bit = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const goesUp = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step++)
      for (const column of [right, right - 1]) {
        const row = goesUp ? size - 1 - step : step;
        if (isFixed[row]?.[column]) continue;
        const isSet = bit < bytes.length * 8 && ((at(bytes, bit >> 3) >> (7 - (bit & 7))) & 1) === 1;
        /** @type {boolean[]} */ (modules[row])[column] = isSet !== ((row + column) % 2 === 0);
        bit++;
      }
  }
}
