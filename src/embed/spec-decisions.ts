/** Decisions about a model, and who made them: for people, and as warnings. */
import type { FolderFacts } from './folder.js';
import type { EngineSetup } from './open.js';
import type { Preset } from './presets.js';
import type { EmbedderOptions, Role } from './types.js';

/** Options that decide vectors and are seen in no file; the others are in the name in words. */
export function choicesOf({ maxLength, tasks }: EmbedderOptions): string[] {
  return [
    ...(maxLength === undefined ? [] : [`max ${maxLength}`]),
    ...(tasks === undefined ? [] : [`tasks ${tasks.query} ${tasks.document}`]),
  ];
}

/** Facts that neither the caller nor a preset nor the folder says. */
export function warningsOf(
  options: EmbedderOptions,
  preset: Preset | undefined,
  { sentence, says }: FolderFacts,
  model: string,
): string[] {
  const warnings: string[] = [];
  if (
    preset === undefined &&
    model.endsWith('.onnx') &&
    options.prefixes === undefined &&
    !says.prompts &&
    !says.pooling
  ) {
    const what = options.pooling === undefined ? 'neither pooling nor prompts' : 'no prompts';
    warnings.push(
      `The folder of ${model} says ${what}, as exports by optimum do: many models want a prompt before queries or documents, and ` +
        'give other vectors without it. Copy 1_Pooling and config_sentence_transformers.json of the model into it, name a preset, ' +
        "or say pooling: 'mean' and prefixes: { query: '…', document: '…' } ({} where the model has none)",
    );
  }
  if (sentence.unreached !== undefined && preset === undefined && options.prefixes?.document === undefined) {
    warnings.push(
      `The prompt "${sentence.unreached}" is put before documents, as the model's authors mean it; encode_document() of ` +
        "sentence-transformers 5 and 6 puts nothing there: prefixes: { document: '' } does as it does",
    );
  }
  if (sentence.unknown.length > 0) {
    warnings.push(
      `Nobody here knows ${sentence.unknown.join(', ')}: compare a vector with one of sentence-transformers before it is relied on`,
    );
  }
  return warnings;
}

interface Decided {
  options: EmbedderOptions;
  preset: Preset | undefined;
  facts: FolderFacts;
  model: string;
  tokenizer: string;
  setup: EngineSetup;
  prefixes: Record<Role, string>;
  normalise: boolean;
  layerNorm: boolean;
}

/** Who said it; undefined: nobody. */
export function sayerOf(
  preset: Preset | undefined,
  given: unknown,
  ofPreset: unknown,
  ofFolder: unknown,
): string | undefined {
  if (given !== undefined) return 'the caller says so';
  if (preset !== undefined && ofPreset !== undefined) return `preset ${preset.name}`;
  return ofFolder === undefined ? undefined : 'the folder says so';
}

/** Says what was decided, and by whom. */
export function decisionsOf({
  options,
  preset,
  facts,
  model,
  tokenizer,
  setup,
  prefixes,
  normalise,
  layerNorm,
}: Decided): string[] {
  const says = (given: unknown, ofPreset: unknown, ofFolder: unknown, otherwise: string): string =>
    sayerOf(preset, given, ofPreset, ofFolder) ?? otherwise;
  const { sentence } = facts;
  const { maxLength: length, maxCharacters, strip } = setup.tokenizer;
  const decisions = [
    `model: ${model}${options.model === undefined ? '' : ', the caller says so'}`,
    `tokenizer: ${tokenizer}`,
    ...(setup.kind === 'static' ? ['pooling: mean (static model)'] : []), // a graph's is known when it is loaded
    ...(['query', 'document'] as const).map(
      (role) =>
        `prompt of ${role === 'query' ? 'queries' : 'documents'}: ${JSON.stringify(prefixes[role])} (${says(
          options.prefixes?.[role],
          preset?.prefixes[role],
          facts.prefixes[role],
          'nobody says one',
        )})`,
    ),
    `limit: ${Number.isFinite(length) ? `${length} tokens` : 'none'} (${says(
      options.maxLength,
      preset?.maxLength,
      maxCharacters === undefined ? (facts.maxLength ?? facts.positions) : undefined,
      maxCharacters === undefined ? 'nobody says one' : 'max_length of config.json, 512 where it is silent',
    )}), cut off ${setup.tokenizer.truncationSide === 'left' ? 'before the text (truncation_side: left)' : 'behind the text'}`,
    `normalised: ${layerNorm ? 'layer_norm, then ' : ''}${normalise ? 'length 1' : 'no'} (${says(
      options.normalise,
      preset?.normalisation,
      facts.normalise,
      'nobody says otherwise',
    )})`,
    `precision: ${options.precision ?? 'float32'} was asked for, ${model.split(/[\\/]/).pop()} was found`,
  ];
  if (strip) decisions.push('blanks at both ends of texts: left out (strip, the caller says so)');
  if (maxCharacters !== undefined && Number.isFinite(maxCharacters)) {
    decisions.push(`characters: ${maxCharacters} of a text are read, as model2vec does`);
  }
  if (setup.kind === 'onnx') {
    decisions.push(`padding token: ${setup.padId}`);
    if (setup.promptLess) decisions.push('prompts are left out of pooling (include_prompt: false)');
    const { rows, tokens } = setup.batch;
    decisions.push(
      `runs: at most ${rows} texts${options.batchSize === undefined ? '' : ' (the caller says so)'} of ${tokens} tokens together, padding included`,
      `threads: ${setup.threads} for each session`,
    );
  }
  if (sentence.truncateDim !== undefined) {
    decisions.push(
      `cut: to ${options.dim ?? sentence.truncateDim} dims (${options.dim ? 'the caller says so' : 'truncate_dim'})`,
    );
  }
  return [...decisions, ...(setup.tokenizer.decisions ?? []).map((decision) => `tokenizer: ${decision}`)];
}
